#include "tensor/kernels/matmul.h"

#include <algorithm>

#include "tensor/kernels/sgemm.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

// Blocks of C, cut by the problem alone; each is a single product over all of k.
constexpr int64_t block_rows = 256;
constexpr int64_t block_columns = 256;

void matmul_cpu(const MatmulShape& shape, const float* a, const float* b, float* c) {
    const int64_t lda = shape.transpose_a ? shape.m : shape.k;
    const int64_t ldb = shape.transpose_b ? shape.k : shape.n;
    const int64_t across = (shape.n + block_columns - 1) / block_columns;
    const int64_t down = (shape.m + block_rows - 1) / block_rows;
    parallel_tasks(down * across, [&](int64_t task) {
        const int64_t i = task / across * block_rows;
        const int64_t j = task % across * block_columns;
        const SgemmBlock block{.m = std::min(block_rows, shape.m - i),
                               .n = std::min(block_columns, shape.n - j),
                               .k = shape.k,
                               .transpose_a = shape.transpose_a,
                               .transpose_b = shape.transpose_b};
        sgemm(block, a + (shape.transpose_a ? i : i * lda), lda,
              b + (shape.transpose_b ? j * ldb : j), ldb, c + i * shape.n + j, shape.n);
    });
}

}  // namespace

constinit Kernel<void(const MatmulShape&, const float*, const float*, float*)> matmul{"matmul",
                                                                                      matmul_cpu};

}  // namespace gradus
