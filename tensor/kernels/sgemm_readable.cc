// The product without OpenBLAS: packs op(B) into panels of 16 columns, and keeps tiles of 4 x 16
// sums in registers while k runs. The compiler vectorises the innermost loop.
#include <algorithm>
#include <vector>

#include "tensor/kernels/sgemm.h"

namespace gradus {

namespace {

constexpr int64_t tile_rows = 4;
constexpr int64_t tile_columns = 16;
constexpr int64_t depth = 256;  // of one packed panel: 16 KiB, stays in L1

// panel[p][j] = op(B)[p0 + p][j0 + j], zero beyond the last column.
void pack_panel(const SgemmBlock& block, const float* b, int64_t ldb, int64_t p0, int64_t deep,
                int64_t j0, float* panel) {
    for (int64_t p = 0; p < deep; ++p) {
        for (int64_t j = 0; j < tile_columns; ++j) {
            const int64_t row = p0 + p, column = j0 + j;
            const bool inside = column < block.n;
            const int64_t at = block.transpose_b ? column * ldb + row : row * ldb + column;
            panel[p * tile_columns + j] = inside ? b[at] : 0.0f;
        }
    }
}

// C[rows, columns] += A panel for one tile; a_row and a_step walk op(A), transposed in memory or
// not.
void multiply_tile(int64_t deep, int64_t rows, int64_t columns, const float* a, int64_t a_row,
                   int64_t a_step, const float* panel, float* c, int64_t ldc) {
    float sum[tile_rows][tile_columns] = {};
    for (int64_t p = 0; p < deep; ++p) {
        for (int64_t i = 0; i < tile_rows; ++i) {
            const float factor = a[std::min(i, rows - 1) * a_row + p * a_step];
            for (int64_t j = 0; j < tile_columns; ++j) {
                sum[i][j] += factor * panel[p * tile_columns + j];
            }
        }
    }
    for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] += sum[i][j];
    }
}

}  // namespace

void sgemm(const SgemmBlock& block, const float* a, int64_t lda, const float* b, int64_t ldb,
           float* c, int64_t ldc) {
    if (!block.accumulate) {
        for (int64_t i = 0; i < block.m; ++i) std::fill_n(c + i * ldc, block.n, 0.0f);
    }
    const int64_t a_row = block.transpose_a ? 1 : lda;
    const int64_t a_step = block.transpose_a ? lda : 1;
    alignas(64) float panel[depth * tile_columns];
    for (int64_t p = 0; p < block.k; p += depth) {
        const int64_t deep = std::min(depth, block.k - p);
        for (int64_t j = 0; j < block.n; j += tile_columns) {
            pack_panel(block, b, ldb, p, deep, j, panel);
            const int64_t columns = std::min(tile_columns, block.n - j);
            for (int64_t i = 0; i < block.m; i += tile_rows) {
                multiply_tile(deep, std::min(tile_rows, block.m - i), columns,
                              a + i * a_row + p * a_step, a_row, a_step, panel, c + i * ldc + j,
                              ldc);
            }
        }
    }
}

}  // namespace gradus
