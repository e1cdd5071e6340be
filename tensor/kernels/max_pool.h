// max_pool -- y[n,oh,ow,c] = max over the window of x[n,h,w,c]; padding never wins
// shapes    see PoolShape in conv2d_shape.h     dtype f32, or codes i8, u8 (of a positive scale)
// gradient  dx at the first maximum of each window, in row-major order, += dy     saves x (shared)
// exactness exact forward, NaN wins; dx is a float sum of at most KH*KW terms in a fixed order
// tests     tests/max_pool_test.cc
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/kernel.h"
#include "tensor/kernels/conv2d_shape.h"

namespace gradus {

// True if x replaces the maximum so far. A NaN always does.
template <class T>
HOST_DEVICE inline bool max_pool_wins(T x, T best) {
    return x > best || x != x;
}

// Calls tap(h, w) for the pixels of window (oh, ow) that lie in the image, in row-major order.
template <class Tap>
HOST_DEVICE inline void for_each_tap(const PoolShape& s, int64_t oh, int64_t ow, const Tap& tap) {
    for (int64_t kh = 0; kh < s.attrs.kernel_h; ++kh) {
        const int64_t h = oh * s.attrs.stride_h - s.attrs.pad_top + kh;
        if (h < 0 || h >= s.h) continue;
        for (int64_t kw = 0; kw < s.attrs.kernel_w; ++kw) {
            const int64_t w = ow * s.attrs.stride_w - s.attrs.pad_left + kw;
            if (w >= 0 && w < s.w) tap(h, w);
        }
    }
}

// The specification: the maximum of one window and channel, and its place in x.
template <class T>
int64_t max_pool_place_readable(const PoolShape& s, const T* x, int64_t n, int64_t oh, int64_t ow,
                                int64_t c) {
    int64_t place = -1;
    for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
        const int64_t i = ((n * s.h + h) * s.w + w) * s.c + c;
        if (place < 0 || max_pool_wins(x[i], x[place])) place = i;
    });
    return place;
}

template <class T>
void max_pool_forward_readable(const PoolShape& s, const T* x, T* y) {
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
        y[i] = x[max_pool_place_readable(s, x, i / s.c / s.ow / s.oh, oh, ow, c)];
    }
}

template <class T>
void max_pool_backward_readable(const PoolShape& s, const T* x, const T* dy, T* dx) {
    for (int64_t i = 0; i < s.n * s.h * s.w * s.c; ++i) dx[i] = 0;
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
        dx[max_pool_place_readable(s, x, i / s.c / s.ow / s.oh, oh, ow, c)] += dy[i];
    }
}

// x and y are of `dtype`: F32, I8 or U8; gradients are float.
extern Kernel<void(const PoolShape& shape, DType dtype, const void* x, void* y)> max_pool_forward;
extern Kernel<void(const PoolShape& shape, DType dtype, const void* x, const float* dy, float* dx)>
    max_pool_backward;

}  // namespace gradus
