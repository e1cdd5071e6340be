// golden_numbers -- what the manifest of a golden bundle (io/golden.h) says in numbers, next to the
// arrays: the writer takes it from the network, the reader makes it again and compares.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/register_grids.h"
#include "io/golden_files.h"

namespace gradus {

// "003_layer1.0.conv1"
std::string golden_folder(size_t index, const std::string& layer);

// The grid of a register's codes; null for floats.
GoldenJson golden_grid(const std::optional<RegisterGrid>& grid);
// The grid of a layer's weights.
GoldenJson golden_weight(const QuantFormat& format, const std::vector<float>& scales);
// The contents of ratios.npy and integers.npy of a sum (quant/residual_add.h).
GoldenJson golden_add_elements();
// In which unit real_bias.npy is: "real", "accumulators" or "output steps"; null if there is none.
GoldenJson golden_bias_unit(const Instruction& i);
// True if the instruction averages codes; then the constants that its rule makes of the scale and
// the number of pixels of x: of windows a list, one entry for each count that occurs.
bool averages(const Instruction& i);
GoldenJson golden_average(const Instruction& i, const Shape& x);

// The grids of the registers that were written so far, as the manifest has them.
using GoldenGrids = std::map<int, GoldenJson>;

// One layer of a manifest of `row`, and the instruction and arrays that were read for it. "" if
// every number that follows from others is what they make it, else the first that is not: grids of
// inputs are those of the layers that gave them, the constants of the rule those of the scales.
std::string golden_difference(const GoldenJson& layer, const Instruction& i,
                              const std::vector<Tensor>& inputs, const Tensor& output,
                              const Hardware& row, GoldenGrids& grids);

// The same of what the manifest says of the whole program.
std::string golden_difference(const GoldenJson& manifest);

}  // namespace gradus
