// axis_scale -- y = x * f[c], or y = x / f[c], along one axis
// shapes    x [outer, channels, inner], f [channels] -> y [as x]                 dtype f32
// gradient  multiply: dx = dy * f, df = sum dy x          saves x (shared) and f
//           divide: dx = dy / f, df = -(sum dy y) / f     saves y (shared with what reads it) and f
// exactness forward and dx exact; df: products in float, sums as in column_sums.h, relative error
//           below 2e-6 of the sum of magnitudes
// tests     tests/axis_scale_test.cc
#pragma once

#include <cstdint>

#include "tensor/channel_layout.h"
#include "tensor/kernel.h"

namespace gradus {

// The specification.
template <class T>
void axis_scale_forward_readable(const ChannelLayout& shape, const T* x, const T* f, bool divide,
                                 T* y) {
    for (int64_t i = 0; i < shape.numel(); ++i) {
        const T factor = f[i / shape.inner % shape.channels];
        y[i] = divide ? x[i] / factor : x[i] * factor;
    }
}

// `saved` is x to multiply, y to divide.
template <class T>
void axis_scale_backward_readable(const ChannelLayout& shape, const T* saved, const T* f,
                                  bool divide, const T* dy, T* dx, T* df) {
    for (int64_t c = 0; c < shape.channels; ++c) df[c] = 0;
    for (int64_t i = 0; i < shape.numel(); ++i) {
        const int64_t c = i / shape.inner % shape.channels;
        dx[i] = divide ? dy[i] / f[c] : dy[i] * f[c];
        df[c] += divide ? -dy[i] * saved[i] / f[c] : dy[i] * saved[i];
    }
}

extern Kernel<void(const ChannelLayout& shape, const float* x, const float* f, bool divide,
                   float* y)>
    axis_scale_forward;
// df only: dx is the forward pass applied to dy.
extern Kernel<void(const ChannelLayout& shape, const float* saved, const float* f, bool divide,
                   const float* dy, float* df)>
    axis_scale_factor_gradient;

}  // namespace gradus
