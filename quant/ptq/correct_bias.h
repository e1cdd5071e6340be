// correct_bias -- corrects in the bias the shift that rounding causes in the mean of a layer's
// output.
//
//   bias[c] += E[y_float[c]] - E[y_quantized[c]], y after the batch norm, before the ReLU
//
// In integers the mean then differs by at most half a step of the accumulator's grid, to which the
// bias is rounded. Works layer by layer in network order, so that a layer's inputs are already
// corrected. The bias is the batch norm's beta, the layer's own, or the merged one.
// source     Nagel et al., Data-free quantization through weight equalization and bias correction,
//            ICCV 2019 (arXiv 1906.04721), appendix D (empirical)
// exactness  sums in double; the same bits for any number of threads
// tests      tests/correct_bias_test.cc
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "quant/prepare.h"

namespace gradus {

struct CorrectedLayer {
    std::string layer;
    double largest = 0.0;  // largest change of a channel's bias
};

// `network` is the float network with separate parameters (detached_copy). Layers without a bias or
// batch norm are unchanged. `watch` is called before each layer and may throw.
std::vector<CorrectedLayer> correct_bias(
    QuantizedModel& model, const Graph& network, const Tensor& images,
    const std::function<void(const std::string& layer)>& watch = nullptr);

}  // namespace gradus
