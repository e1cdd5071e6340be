#include "run/suggest.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

int edit_distance(const std::string& a, const std::string& b) {
    // Optimal string alignment: rows of the table for the last three prefixes of a.
    const size_t n = b.size();
    std::vector<int> before(n + 1), last(n + 1), row(n + 1);
    for (size_t j = 0; j <= n; ++j) row[j] = static_cast<int>(j);
    for (size_t i = 1; i <= a.size(); ++i) {
        before = last;
        last = row;
        row[0] = static_cast<int>(i);
        for (size_t j = 1; j <= n; ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
    }
    return row[n];
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
    // Up to a third of the letters may be wrong; or the text is the beginning of a longer name.
    std::string nearest;
    int best = static_cast<int>(name.size()) / 3 + 1;
    for (const std::string& candidate : names) {
        const int distance = edit_distance(name, candidate);
        if (distance < best) {
            best = distance;
            nearest = candidate;
        }
    }
    if (!nearest.empty() || name.size() < 3) return nearest;
    for (const std::string& candidate : names) {
        if (candidate.rfind(name, 0) == 0) return candidate;
    }
    return "";
}

void check_name(const std::string& kind, const std::string& name,
                const std::vector<std::string>& names) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    std::string list;
    for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
    const std::string nearest = nearest_name(name, names);
    fail(ErrorKind::usage, "unknown ", kind, " '", name, "'; ",
         nearest.empty() ? "" : "did you mean '" + nearest + "'? ", "known: ", list);
}

}  // namespace gradus
