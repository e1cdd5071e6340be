// suggest -- the nearest known name for a misspelt one.
#pragma once

#include <string>
#include <vector>

namespace gradus {

// The number of insertions, deletions, substitutions and swaps of neighbours that turn a into b.
int edit_distance(const std::string& a, const std::string& b);

// The nearest of `names`, empty if none is near enough; ties go to the first.
std::string nearest_name(const std::string& name, const std::vector<std::string>& names);

// Throws Error(usage) unless `names` holds `name`: unknown <kind> '<name>'; did you mean ...?
// (list)
void check_name(const std::string& kind, const std::string& name,
                const std::vector<std::string>& names);

}  // namespace gradus
