// bias_fit -- the least scale of a layer's weights for which its int32 bias fits its accumulators.
//
//   s_w[c] >= |b[c]| / (s_x most)
//
// A filter near zero has so small a scale that the code b / (s_x s_w) of its bias overflows int32.
// Its scale is raised until the code fits; its weights lose less than one step next to a bias of
// 2^28 steps or more. Weights with a single scale use the one for their largest bias.
//
//   most = 2^31 - 2^16 (n + 1)   room for n products of 8-bit codes, one more for roundings; at
//                                least 2^30
//          2^30 on R5            whose library adds half of the divisor in int32
//          2^28 on R8            whose reciprocal of the output's range keeps ten bits
//
// source     onnxruntime tools/quantization (_adjust_weight_scale_for_int32_bias), TFLite
//            tools/optimize/quantization_utils (AdjustWeightsForBiasScale), which halve int32
// exactness  rounded; the same bits on every machine
// tests      tests/bias_fit_test.cc
#pragma once

#include "quant/quantizer.h"
#include "quant/requantize.h"

namespace gradus {

// The largest bias code allowed next to sums of `products` products.
double largest_bias_code(RequantizeRule rule, int64_t products);

// F32 [1 or O], for weights [O ...] of quantizer q with `bias` [O] F32 and an input of scale s_x:
// powers of two if the format requires it. 0 for a bias of 0.
Tensor least_weight_scales(const Quantizer& q, const Shape& weights, const Tensor& bias, float s_x);

}  // namespace gradus
