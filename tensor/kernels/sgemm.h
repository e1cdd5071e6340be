// sgemm -- C = op(A) op(B), or C += op(A) op(B), on row-major blocks of floats, on one thread.
//
//   op(A) [m, k]   op(B) [k, n]   C [m, n]   ld* = elements from one stored row to the next
//
// The building block of matmul: the caller cuts the problem into blocks and distributes them.
// Implemented by exactly one of sgemm_openblas.cc (the only file that calls OpenBLAS) and
// sgemm_readable.cc; the Makefile chooses.
// exactness rounded: |error| <= k eps sum |a b|; deterministic, the same bits on every thread
#pragma once

#include <cstdint>

namespace gradus {

struct SgemmBlock {
    int64_t m, n, k;
    bool transpose_a = false;  // A is stored [k, m]
    bool transpose_b = false;  // B is stored [n, k]
    bool accumulate = false;   // C += instead of C =
};

void sgemm(const SgemmBlock& block, const float* a, int64_t lda, const float* b, int64_t ldb,
           float* c, int64_t ldc);

}  // namespace gradus
