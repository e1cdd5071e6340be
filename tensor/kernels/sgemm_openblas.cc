#include <cblas.h>

#include "tensor/kernels/sgemm.h"

namespace gradus {

void sgemm(const SgemmBlock& block, const float* a, int64_t lda, const float* b, int64_t ldb,
           float* c, int64_t ldc) {
    // OpenBLAS cuts the work by its thread count, which would change the bits: one thread.
    static const bool single_thread = (openblas_set_num_threads(1), true);
    static_cast<void>(single_thread);
    if (block.m == 0 || block.n == 0) return;
    cblas_sgemm(CblasRowMajor, block.transpose_a ? CblasTrans : CblasNoTrans,
                block.transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(block.m),
                static_cast<blasint>(block.n), static_cast<blasint>(block.k), 1.0f, a,
                static_cast<blasint>(lda), b, static_cast<blasint>(ldb),
                block.accumulate ? 1.0f : 0.0f, c, static_cast<blasint>(ldc));
}

}  // namespace gradus
