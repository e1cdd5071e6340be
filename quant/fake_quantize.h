// fake_quantize -- floats to the floats of their codes, and the plain gradient.
//
//   x_hat[o,c,i] = s[c] (q - z[c]),  q = clamp(rne(x / s[c]) + z[c], qmin, qmax)
//   dx = dy [qmin <= rne(x / s[c]) + z[c] <= qmax]      the mask is on the rounded code, inclusive;
//                                                       NaN is outside, and outside dx is 0 for any
//                                                       dy
//
// One pass over memory; no codes are kept. Outputs too large for the caches are written past them
// (docs/results/fake-quantize.md).
// shapes     x, dy, x_hat, dx [outer, channels, inner], scale and zero_point [channels]; outputs do
//            not overlap inputs
// source     MQBench 1.1 and 1.6; straight-through estimator: Bengio et al., arXiv 1308.3432
// exactness  exact: x_hat is bit for bit the float view of quantize_codes, on every device
// tests      tests/fake_quantize_test.cc
#pragma once

#include "quant/quantize_codes.h"

namespace gradus {

HOST_DEVICE inline float fake_quantize_value(float x, float s, int32_t z, int32_t qmin,
                                             int32_t qmax) {
    return affine_value(quantize_value(x, s, z, qmin, qmax), z, s);
}

// Selections instead of branches, so that compilers vectorise.
template <class T>
HOST_DEVICE inline T straight_through_value(T x, T dy, T s, T z, T qmin, T qmax) {
    const T code = round_half_even(x / s) + z;
    return ((code >= qmin) & (code <= qmax)) ? dy : T(0);
}

extern Kernel<void(const float* x, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const CodeRange& range, float* x_hat)>
    fake_quantize;

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const CodeRange& range, float* dx)>
    straight_through_backward;

}  // namespace gradus
