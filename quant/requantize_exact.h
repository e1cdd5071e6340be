// requantize_exact -- the simulation's half of requantization: rounds the exact values between two
// quantizers to the next grid by the hardware's rules. integer/execute.cc has its own half.
#pragma once

#include <vector>

#include "quant/hardware.h"
#include "quant/quantizer.h"
#include "tensor/kernels/conv2d_shape.h"

namespace gradus {

// True if `hardware` has a rule for this value; otherwise the float view is quantized.
bool has_rule(const Hardware& hardware, const Exact& value);

// Chooses by the terms of the value: an int32 accumulator, or codes of another grid, by the
// requantization rule; two terms of codes by the add rule; an accumulator and codes by R9 with the
// sum fused. The clamps of ReLU and ReLU6 act at the output: lo = max(qmin, z), hi = min(qmax, z +
// 6/s rounded).
Affine requantize(const Hardware& hardware, const Exact& value, const Grid& grid,
                  const QuantFormat& format);

// Averages codes back to their own grid (count > 1, one term) by a pool rule.
Affine requantize_average(PoolRule rule, const Affine& sums, const Grid& grid,
                          const QuantFormat& format);

// The same for windows of codes x; computes sums and counts itself, as counts may differ at the
// border.
Affine requantize_windows(PoolRule rule, const Affine& x, const PoolShape& shape, const Grid& grid,
                          const QuantFormat& format);

// The output codes left by a clamp of real values, rounded by the hardware's rule (TFLite:
// kernel_util.cc, CalculateActivationRangeQuantized; XNNPACK: xnn_qs8_quantize).
CodeBounds clamp_bounds(const Hardware& hardware, float lower, float upper, const Grid& grid,
                        const QuantFormat& format);

OutputGrid output_grid(const Grid& grid, const QuantFormat& format);
CodeGrid code_grid(const Grid& grid);

// One set of constants per channel: scales [1], [1 or C], bias [C] in real units or undefined.
std::vector<RequantizeConstants> channel_constants(RequantizeRule rule, const Tensor& input_scale,
                                                   const Tensor& weight_scale, const Tensor& bias,
                                                   const OutputGrid& y, int64_t channels);

// The int32 code of a float bias [O] at the accumulators' scale [1 or O] by the hardware's rule.
Tensor bias_codes(BiasRule rule, const Tensor& bias, const Tensor& accumulator_scale);

}  // namespace gradus
