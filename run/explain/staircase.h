// staircase -- the transfer function of a quantizer and its gradient, from the real kernel.
//
// A ramp of values is quantized; where the code changes between two neighbours, the change is
// sought by halving. The derivative of each x_hat is the kernel's answer to a dy that is 1 there
// and 0 elsewhere. One element is varied while the others stay: an algorithm may read the whole
// array.
#pragma once

#include <vector>

#include "run/explain/quantizer_probe.h"

namespace gradus {

// One x and the derivatives of its x_hat: by x, and by each learned parameter.
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

// Values from -1 to 1; from 0 if codes are unsigned, from -0.5 with a zero point. First values for
// a quantizer that was given none.
Tensor standard_ramp(const QuantizerQuestion& question);

// Values that meet all codes of a quantizer: the range of its grid with a margin; or its first
// values, where the algorithm normalises what comes.
Tensor ramp_for(const QuantizerProbe& probe, const Tensor& first_values);

std::vector<Step> staircase(const QuantizerProbe& probe, const Tensor& x);

}  // namespace gradus
