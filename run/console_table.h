// console_table -- aligned columns, and numbers as people read them.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace gradus {

// Aligns the first column and words to the left, other columns to the right.
class ConsoleTable {
  public:
    enum class Columns { numbers, words };
    explicit ConsoleTable(std::vector<std::string> header, Columns columns = Columns::numbers)
        : header_(std::move(header)), columns_(columns) {}
    void row(std::vector<std::string> cells);
    void print(std::ostream& out, bool utf8) const;

  private:
    std::vector<std::string> header_;
    Columns columns_;
    std::vector<std::vector<std::string>> rows_;
};

// True when the standard stream `fd` (1 or 2) is a terminal in a UTF-8 locale.
bool stream_is_utf8(int fd);

std::string count_text(int64_t count);             // 1,234,567
std::string fixed_text(double value, int digits);  // 0.50
std::string bytes_text(int64_t bytes);             // 44.7 MB (powers of 1000)

}  // namespace gradus
