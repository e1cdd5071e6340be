// matmul -- C = op(A) op(B)
// shapes    op(A) [m, k], op(B) [k, n], C [m, n], row-major, no gaps         dtype f32
// exactness rounded: |error| <= k eps sum |a b|; on the CPU the bits do not depend on the threads.
//           CUDA: full fp32, TF32 stays off
// tests     tests/matmul_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

struct MatmulShape {
    int64_t m, n, k;
    bool transpose_a = false;  // A is stored [k, m]
    bool transpose_b = false;  // B is stored [n, k]
};

template <class T>
void matmul_readable(const MatmulShape& shape, const T* a, const T* b, T* c) {
    for (int64_t i = 0; i < shape.m; ++i) {
        for (int64_t j = 0; j < shape.n; ++j) {
            T sum = 0;
            for (int64_t p = 0; p < shape.k; ++p) {
                sum += a[shape.transpose_a ? p * shape.m + i : i * shape.k + p] *
                       b[shape.transpose_b ? j * shape.k + p : p * shape.n + j];
            }
            c[i * shape.n + j] = sum;
        }
    }
}

extern Kernel<void(const MatmulShape& shape, const float* a, const float* b, float* c)> matmul;

}  // namespace gradus
