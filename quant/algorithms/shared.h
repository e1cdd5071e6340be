// shared -- functions used by several algorithms.
#pragma once

#include "quant/quantizer.h"
#include "quant/statistics.h"

namespace gradus {

// The moving average of a range that follows activations: 0.9 old + 0.1 new (MQBench 3.2,
// BatchMeanMax).
inline float moved(float old_value, float new_value) {
    return 0.9f * old_value + 0.1f * new_value;
}

// The scale of each channel in use, as a copy (the parameter may be updated while a grid is in
// use): rounded to a power of two if the format requires it.
Tensor used_scale(const Quantizer& q, const Tensor& scale);
// d used_scale / d scale (MQBench 1.4: s_pot / s, straight through the exponent's rounding; 1 else)
// times a gradient scale, applied to a gradient per channel.
void chain_scale_gradient(const Quantizer& q, float gradient_scale, Tensor& ds);
void multiply(Tensor& gradient, float factor);

// Sets every element to max(|v|, floor).
void make_positive(Tensor& values, float floor);

// The zero point of a quantizer that fixes it: 0, or qmin if the format is asymmetric.
Tensor fixed_zero_point(const Quantizer& q, int64_t channels);

// One scale and zero point per channel, by q's calibration or else by `own`.
std::vector<ScaleAndZero> first_grids(const Quantizer& q, const Statistics& seen, Calibration own);

// Sets the parameters low and high of a quantizer that keeps a range.
void keep_range(Quantizer& q, int64_t channel, float low, float high);

// The plain straight-through gradient (MQBench 1.6): dx = dy [qmin <= rne(x/s) + z <= qmax].
QuantizerGrads straight_through(const Quantizer& q, const Grid& grid, const Tensor& x,
                                const Tensor& dy);

// Refusals of algorithms that need one scale per tensor, symmetric codes, or unrestricted scales.
std::string refuse_per_channel(const Quantizer& q);
std::string refuse_asymmetric(const Quantizer& q);
std::string refuse_power_of_two(const Quantizer& q);

}  // namespace gradus
