// global_average_pool -- y[n,c] = sum over the pixels of x[n,p,c] / pixels
// shapes    x [N, pixels, C] -> y [N, C]        dtype f32; codes i8, u8 -> int32 sums
// gradient  dx[n,p,c] = dy[n,c] / pixels                        saves nothing
// exactness float: rounded once; sums float over 32 pixels and double beyond (column_sums.h).
//           codes: exact, the caller keeps |sum| <= 255 * pixels below 2^31
// tests     tests/global_average_pool_test.cc
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/kernel.h"

namespace gradus {

struct PixelsShape {
    int64_t n, pixels, c;
};

// The specification.
template <class T>
void global_average_pool_forward_readable(const PixelsShape& s, const T* x, T* y) {
    for (int64_t i = 0; i < s.n * s.c; ++i) {
        T sum = 0;
        for (int64_t p = 0; p < s.pixels; ++p) sum += x[(i / s.c * s.pixels + p) * s.c + i % s.c];
        y[i] = sum / T(s.pixels);
    }
}

template <class T>
void global_average_pool_backward_readable(const PixelsShape& s, const T* dy, T* dx) {
    for (int64_t i = 0; i < s.n * s.pixels * s.c; ++i) {
        dx[i] = dy[i / s.c / s.pixels * s.c + i % s.c] / T(s.pixels);
    }
}

extern Kernel<void(const PixelsShape& shape, const float* x, float* y)> global_average_pool_forward;
extern Kernel<void(const PixelsShape& shape, const float* dy, float* dx)>
    global_average_pool_backward;
// The sums of codes of `dtype` I8 or U8.
extern Kernel<void(const PixelsShape& shape, DType dtype, const void* codes, int32_t* sums)>
    global_sum_pool_codes;

}  // namespace gradus
