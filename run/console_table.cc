#include "run/console_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "run/printable.h"
#include "run/progress.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Cells = std::vector<std::string>;

}  // namespace

std::string fixed_text(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

std::string count_text(int64_t count) {
    std::string text = std::to_string(count);
    const int digits_from = count < 0 ? 1 : 0;
    for (int i = static_cast<int>(text.size()) - 3; i > digits_from; i -= 3) text.insert(i, ",");
    return text;
}

std::string bytes_text(int64_t bytes) {
    const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = static_cast<double>(bytes);
    int unit = 0;
    for (; value >= 999.95 && unit < 4; ++unit) value /= 1000;
    return fixed_text(value, unit == 0 ? 0 : 1) + " " + units[unit];
}

bool stream_is_utf8(int fd) {
    return isatty(fd) == 1 && locale_is_utf8();
}

void ConsoleTable::row(Cells cells) {
    check(cells.size() == header_.size(), "console table: a row of ", cells.size(),
          " cells under a header of ", header_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

void ConsoleTable::print(std::ostream& out, bool utf8) const {
    std::vector<size_t> widths(header_.size(), 0);
    const auto measure = [&](const Cells& cells) {
        for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
    };
    measure(header_);
    for (const Cells& cells : rows_) measure(cells);
    const std::string bar = utf8 ? " │ " : " | ";
    const auto print_row = [&](const Cells& cells) {
        std::string line;
        for (size_t i = 0; i < cells.size(); ++i) {
            const std::string space(widths[i] - cells[i].size(), ' ');
            const bool left = i == 0 || columns_ == Columns::words;
            line += (i == 0 ? "" : bar) + (left ? cells[i] + space : space + cells[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    };
    print_row(header_);
    for (size_t i = 0; i < widths.size(); ++i) {
        if (i > 0) out << (utf8 ? "─┼─" : "-+-");
        for (size_t j = 0; j < widths[i]; ++j) out << (utf8 ? "─" : "-");
    }
    out << '\n';
    for (const Cells& cells : rows_) print_row(cells);
}

}  // namespace gradus
