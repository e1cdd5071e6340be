// console_table -- aligned columns, and the two tables that end a run.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "run/result.h"

namespace gradus {

// First column to the left, the others, unless they are words, to the right.
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

// What the last table adds to the Result.
struct FinalFacts {
    std::optional<int64_t> float_nodes;          // of the Program
    std::optional<int64_t> float_weight_bytes;   // the parameters as f32
    std::optional<int64_t> packed_weight_bytes;  // codes at their bits, int32 biases
    std::optional<double> float_seconds;         // training and evaluation of each column
    std::optional<double> simulated_seconds;
    std::optional<double> integer_seconds;
    std::optional<double> float_images_per_second;    // training
    std::optional<double> integer_images_per_second;  // evaluation in integers
};

// Float network, simulation and integers side by side.
void print_final_table(std::ostream& out, const Result& result, const FinalFacts& facts, bool utf8);

struct LayerRow {
    std::string name;
    std::string kind;  // conv2d, add, ...
    std::optional<int> weight_bits;
    std::optional<int> activation_bits;
    int64_t codes_compared = 0;
    int64_t codes_different = 0;
    int64_t largest_difference = 0;
};
void print_layer_table(std::ostream& out, const std::vector<LayerRow>& layers, bool utf8);

// True when the standard stream `fd` (1 or 2) is a terminal in a UTF-8 locale.
bool stream_is_utf8(int fd);

std::string count_text(int64_t count);             // 1,234,567
std::string fixed_text(double value, int digits);  // 0.50
std::string bytes_text(int64_t bytes);             // 44.7 MB (powers of 1000)

}  // namespace gradus
