// correct_bias -- rounding shifts the mean of a layer's output; the shift is put right in the bias.
//
//   bias[c] += E[y_float[c]] - E[y_quantized[c]], y after the batch norm, before the ReLU
//
// On integers the mean then differs by half a step of the accumulator's grid at most, to which the
// bias is rounded. Layer by layer in network order, so that a layer sees its inputs already
// corrected. The bias is the batch norm's beta, the layer's own,
// or what both were merged into.
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
    double largest = 0.0;  // change of the bias of a channel
};

// `network` is the float network with parameters of its own (detached_copy). Layers without a bias
// or batch norm stay as they are. `watch` is called before each layer and may throw.
std::vector<CorrectedLayer> correct_bias(
    QuantizedModel& model, const Graph& network, const Tensor& images,
    const std::function<void(const std::string& layer)>& watch = nullptr);

}  // namespace gradus
