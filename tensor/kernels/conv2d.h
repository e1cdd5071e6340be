// conv2d -- y[n,oh,ow,o] = sum x[n,ih,iw,c] w[o,kh,kw,c] + bias[o]
//           with ih = oh stride_h - pad_top + kh, iw likewise; padding is 0
// shapes    see conv2d_shape.h; any kernel, stride, per-side padding, groups, depthwise; dtype f32
// gradient  dx = sum dy w    dw = sum x dy    dbias = sum dy    read x, w (not y)
// exactness rounded: |error| <= k eps sum |a b| with k the number of products of one sum; the bits
//           depend neither on the threads nor on the width of the CPU's vectors
// tests     tests/conv2d_test.cc
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/kernel.h"
#include "tensor/kernels/conv2d_shape.h"

namespace gradus {

// The codes of an activation, for a backward pass that stores one byte instead of four.
struct CodesOperand {
    const void* codes;  // [N, H, W, C]
    bool is_signed;     // I8, else U8
    int32_t zero_point;
    float scale;
};

extern Kernel<void(const float* x, const float* w, const float* bias, float* y,
                   const Conv2dShape& shape)>
    conv2d_forward;  // bias [O] or nullptr
extern Kernel<void(const float* dy, const float* w, float* dx, const Conv2dShape& shape)>
    conv2d_backward_input;
extern Kernel<void(const float* x, const float* dy, float* dw, const Conv2dShape& shape)>
    conv2d_backward_weight;
// The same with x = scale (q - z): dw = scale sum (q - z) dy, without storing x in floats.
extern Kernel<void(const CodesOperand& x, const float* dy, float* dw, const Conv2dShape& shape)>
    conv2d_backward_weight_codes;
// dbias[o] = sum over rows of dy [rows, O].
extern Kernel<void(const float* dy, float* dbias, int64_t rows, int64_t o)> conv2d_backward_bias;

// All products of a convolution, in runs of group_in() channels: f(y, x, w) gets the index of the
// sum and of the first factors; the run is y[y] with x[x + c], w[w + c]. Padding has no products.
// `row_begin`, `row_end` choose rows of the output seen as [N * OH * OW, O].
template <class F>
void for_each_conv2d_run(const Conv2dShape& s, int64_t row_begin, int64_t row_end, const F& f) {
    for (int64_t row = row_begin; row < row_end; ++row) {
        const int64_t n = row / (s.oh * s.ow), oh = row / s.ow % s.oh, ow = row % s.ow;
        for (int64_t o = 0; o < s.o; ++o) {
            const int64_t first_channel = o / s.group_out() * s.group_in();
            for (int64_t kh = 0; kh < s.kh; ++kh) {
                const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + kh;
                if (ih < 0 || ih >= s.h) continue;
                for (int64_t kw = 0; kw < s.kw; ++kw) {
                    const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + kw;
                    if (iw < 0 || iw >= s.w) continue;
                    f(row * s.o + o, ((n * s.h + ih) * s.w + iw) * s.c + first_channel,
                      ((o * s.kh + kh) * s.kw + kw) * s.group_in());
                }
            }
        }
    }
}

// The specification: plain loops, in double for the numeric gradients.
template <class T>
void conv2d_forward_readable(const T* x, const T* w, const T* bias, T* y, const Conv2dShape& s) {
    const int64_t rows = s.n * s.oh * s.ow;
    for (int64_t i = 0; i < rows * s.o; ++i) y[i] = bias ? bias[i % s.o] : T(0);
    for_each_conv2d_run(s, 0, rows, [&](int64_t yi, int64_t xi, int64_t wi) {
        for (int64_t c = 0; c < s.group_in(); ++c) y[yi] += x[xi + c] * w[wi + c];
    });
}

template <class T>
void conv2d_backward_input_readable(const T* dy, const T* w, T* dx, const Conv2dShape& s) {
    std::fill_n(dx, s.n * s.h * s.w * s.c, T(0));
    for_each_conv2d_run(s, 0, s.n * s.oh * s.ow, [&](int64_t yi, int64_t xi, int64_t wi) {
        for (int64_t c = 0; c < s.group_in(); ++c) dx[xi + c] += dy[yi] * w[wi + c];
    });
}

template <class T>
void conv2d_backward_weight_readable(const T* x, const T* dy, T* dw, const Conv2dShape& s) {
    std::fill_n(dw, s.o * s.k(), T(0));
    for_each_conv2d_run(s, 0, s.n * s.oh * s.ow, [&](int64_t yi, int64_t xi, int64_t wi) {
        for (int64_t c = 0; c < s.group_in(); ++c) dw[wi + c] += dy[yi] * x[xi + c];
    });
}

template <class T>
void conv2d_backward_bias_readable(const T* dy, T* dbias, int64_t rows, int64_t o) {
    std::fill_n(dbias, o, T(0));
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t c = 0; c < o; ++c) dbias[c] += dy[row * o + c];
    }
}

}  // namespace gradus
