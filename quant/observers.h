// observers -- first scales and zero points from the numbers that a quantizer sees.
#pragma once

#include "quant/quantizer.h"

namespace gradus {

// Smallest and largest value, per tensor or per index of `axis`. Exact.
struct Range {
    Tensor min, max;  // F32 [channels]
};
Range observe_range(const Tensor& x, int axis);

// mean |x|, per tensor or per index of `axis`; summed in double in a fixed order.
Tensor mean_magnitude(const Tensor& x, int axis);

// Scale and zero point of a (min, max) pair (MQBench 1.3). lo = min(min, 0), hi = max(max, 0).
//   symmetric:  s = max(-lo, hi) / ((qmax - qmin) / 2), unsigned: / (qmax - qmin);  z = 0
//   asymmetric: s = (hi - lo) / (qmax - qmin),  z = clip(qmin - rne(lo / s), qmin, qmax)
struct ScaleAndZero {
    float scale;
    int32_t zero_point;
};
ScaleAndZero scale_from_range(float min, float max, const QuantFormat& format);

// Sets the parameters scale and (learned) zero_point of q from the range of x.
void initialise_from_range(Quantizer& q, const Tensor& x);

}  // namespace gradus
