// result_tables -- the two tables that end a run.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "run/train/result.h"

namespace gradus {

// Facts of the last table that Result does not hold.
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

// Prints float network, simulation and integers side by side.
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

}  // namespace gradus
