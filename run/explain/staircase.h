// staircase -- the transfer function of a quantizer and its gradient, from the real kernel.
//
// A ramp of values is quantized; a change of code between two neighbours is located by bisection.
// The derivative of each x_hat is the kernel's gradient for a dy that is 1 there and 0 elsewhere.
// One element varies while the others stay fixed, since an algorithm may read the whole array.
#pragma once

#include <vector>

#include "run/explain/quantizer_probe.h"

namespace gradus {

// One x and the derivatives of its x_hat: with respect to x and to each learned parameter.
struct GradientPoint {
    float x, by_x;
    std::vector<float> by_parameter;
};

// The x of one code, first to last, with the derivatives over them.
struct Step {
    int32_t code;
    float x_hat;
    std::vector<GradientPoint> points;  // in the order of x, both ends included

    float from() const { return points.front().x; }
    float to() const { return points.back().x; }
};

// Values from -1 to 1; from 0 if codes are unsigned, from -0.5 with a zero point. Default first
// values for a quantizer.
Tensor standard_ramp(const QuantizerQuestion& question);

// Values that reach all codes of a quantizer: the range of its grid with a margin; or its first
// values, if the algorithm normalises its input.
Tensor ramp_for(const QuantizerProbe& probe, const Tensor& first_values);

std::vector<Step> staircase(const QuantizerProbe& probe, const Tensor& x);

}  // namespace gradus
