#include <cublas_v2.h>

#include "tensor/kernels/matmul.h"

namespace gradus {

namespace {

// One handle for the life of the program, in full fp32: CUBLAS_PEDANTIC_MATH keeps TF32 off even
// if the environment asks for it.
cublasHandle_t cublas_handle() {
    static const cublasHandle_t handle = [] {
        cublasHandle_t created = nullptr;
        check(cublasCreate(&created) == CUBLAS_STATUS_SUCCESS,
              "matmul: cuBLAS does not start; check the CUDA driver, or use --device cpu");
        check(cublasSetMathMode(created, CUBLAS_PEDANTIC_MATH) == CUBLAS_STATUS_SUCCESS,
              "matmul: cuBLAS refuses full fp32");
        return created;
    }();
    return handle;
}

// cuBLAS is column-major: it sees our A as its transpose, so it computes C^T = op(B)^T op(A)^T.
void matmul_cuda(const MatmulShape& shape, const float* a, const float* b, float* c) {
    if (shape.m == 0 || shape.n == 0) return;
    const float one = 1.0f, zero = 0.0f;
    const int lda = static_cast<int>(shape.transpose_a ? shape.m : shape.k);
    const int ldb = static_cast<int>(shape.transpose_b ? shape.k : shape.n);
    const cublasStatus_t status =
        cublasSgemm(cublas_handle(), shape.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                    shape.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, static_cast<int>(shape.n),
                    static_cast<int>(shape.m), static_cast<int>(shape.k), &one, b, ldb, a, lda,
                    &zero, c, static_cast<int>(shape.n));
    check(status == CUBLAS_STATUS_SUCCESS, "matmul: cuBLAS failed with status ",
          static_cast<int>(status), " on m ", shape.m, ", n ", shape.n, ", k ", shape.k);
}

const OnCuda matmul_on_cuda{matmul, matmul_cuda};

}  // namespace

}  // namespace gradus
