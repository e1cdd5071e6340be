// golden_numbers -- the numbers in the manifest of a golden bundle (io/golden.h): the writer takes
// them from the network, the reader derives them again and compares.
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
// The unit of real_bias.npy: "real", "accumulators" or "output steps"; null if there is none.
GoldenJson golden_bias_unit(const Instruction& i);
// True if the instruction averages codes. Then the constants that its rule derives from the scale
// and the number of pixels of x: for windows a list, one entry for each count that occurs.
bool averages(const Instruction& i);
GoldenJson golden_average(const Instruction& i, const Shape& x);

// The grids of the registers written so far, in the manifest's form.
using GoldenGrids = std::map<int, GoldenJson>;

// Checks one layer of a manifest of `row` against its instruction and arrays. Returns "" if every
// derived number is right, else the first that is not: grids of inputs come from the layers that
// wrote them, the constants of the rule from the scales.
std::string golden_difference(const GoldenJson& layer, const Instruction& i,
                              const std::vector<Tensor>& inputs, const Tensor& output,
                              const Hardware& row, GoldenGrids& grids);

// The same for the entries about the whole program.
std::string golden_difference(const GoldenJson& manifest);

}  // namespace gradus
