// average_pool -- y[n,oh,ow,c] = sum over the window of x[n,h,w,c] / count; padding is 0
//                 count = KH * KW, or the pixels inside the image if padding is not counted
// shapes    see PoolShape in conv2d_shape.h     dtype f32; codes i8, u8 -> int32 sums
// gradient  dx of every pixel of the window += dy / count                        saves nothing
// exactness exact: float sums of at most KH*KW terms in row-major order, then one division.
//           Sums of codes are exact; where padding counts it has the code of real 0
// tests     tests/average_pool_test.cc
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/kernel.h"
#include "tensor/kernels/max_pool.h"

namespace gradus {

HOST_DEVICE inline int64_t average_pool_count(const PoolShape& s, int64_t oh, int64_t ow) {
    if (s.attrs.count_include_pad) return s.attrs.kernel_h * s.attrs.kernel_w;
    int64_t count = 0;
    for_each_tap(s, oh, ow, [&](int64_t, int64_t) { ++count; });
    return count;
}

// The counts of all windows of an image [OH * OW].
inline std::vector<int32_t> average_pool_counts(const PoolShape& s) {
    std::vector<int32_t> counts(s.oh * s.ow);
    for (int64_t i = 0; i < s.oh * s.ow; ++i) {
        counts[i] = static_cast<int32_t>(average_pool_count(s, i / s.ow, i % s.ow));
    }
    return counts;
}

// The specification.
template <class T>
void average_pool_forward_readable(const PoolShape& s, const T* x, T* y) {
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
        const int64_t n = i / s.c / s.ow / s.oh;
        T sum = 0;
        for_each_tap(s, oh, ow,
                     [&](int64_t h, int64_t w) { sum += x[((n * s.h + h) * s.w + w) * s.c + c]; });
        y[i] = sum / T(average_pool_count(s, oh, ow));
    }
}

template <class T>
void average_pool_backward_readable(const PoolShape& s, const T* dy, T* dx) {
    for (int64_t i = 0; i < s.n * s.h * s.w * s.c; ++i) dx[i] = 0;
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
        const int64_t n = i / s.c / s.ow / s.oh;
        const T share = dy[i] / T(average_pool_count(s, oh, ow));
        for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
            dx[((n * s.h + h) * s.w + w) * s.c + c] += share;
        });
    }
}

extern Kernel<void(const PoolShape& shape, const float* x, float* y)> average_pool_forward;
extern Kernel<void(const PoolShape& shape, const float* dy, float* dx)> average_pool_backward;
// The sums [N, OH, OW, C] of codes of `dtype` I8 or U8; each has as many codes as its window
// counts.
extern Kernel<void(const PoolShape& shape, DType dtype, const void* codes, int32_t zero_point,
                   int32_t* sums)>
    average_pool_sum_codes;

}  // namespace gradus
