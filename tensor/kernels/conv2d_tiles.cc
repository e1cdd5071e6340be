#include "tensor/kernels/conv2d_tiles.h"

#include <immintrin.h>

namespace gradus {

namespace {

// In all kernels the sums are one flat array and the innermost loop runs over it, so that the
// compiler keeps them in registers. The two instruction sets differ only in the vectors.

template <int vectors>
void gather_avx2(const GatherTile& t, int64_t column) {
    constexpr int sums = GatherTile::pixels * vectors;
    __m256 acc[sums], w[vectors];
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        acc[j] = _mm256_loadu_ps(t.from[j / vectors] + column + j % vectors * 8);
    }
    const float* panel = t.panel + column;
    const int64_t columns = t.columns, channels = t.channels;
    for (int64_t tap = 0; tap < t.taps; ++tap) {
        const float* x[GatherTile::pixels];
#pragma GCC unroll 6
        for (int i = 0; i < GatherTile::pixels; ++i) x[i] = t.pixel[tap * GatherTile::pixels + i];
        for (int64_t c = 0; c < channels; ++c, panel += columns) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) w[v] = _mm256_loadu_ps(panel + v * 8);
#pragma GCC unroll 24
            for (int j = 0; j < sums; ++j) {
                acc[j] = _mm256_fmadd_ps(_mm256_set1_ps(x[j / vectors][c]), w[j % vectors], acc[j]);
            }
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        _mm256_storeu_ps(t.out[j / vectors] + column + j % vectors * 8, acc[j]);
    }
}

template <int vectors>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) void gather_avx512(
    const GatherTile& t) {
    constexpr int sums = GatherTile::pixels * vectors;
    __m512 acc[sums], w[vectors];
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        acc[j] = _mm512_loadu_ps(t.from[j / vectors] + j % vectors * 16);
    }
    const float* panel = t.panel;
    const int64_t channels = t.channels;
    for (int64_t tap = 0; tap < t.taps; ++tap) {
        const float* x[GatherTile::pixels];
#pragma GCC unroll 6
        for (int i = 0; i < GatherTile::pixels; ++i) x[i] = t.pixel[tap * GatherTile::pixels + i];
        for (int64_t c = 0; c < channels; ++c, panel += vectors * 16) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) w[v] = _mm512_loadu_ps(panel + v * 16);
#pragma GCC unroll 24
            for (int j = 0; j < sums; ++j) {
                acc[j] = _mm512_fmadd_ps(_mm512_set1_ps(x[j / vectors][c]), w[j % vectors], acc[j]);
            }
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        _mm512_storeu_ps(t.out[j / vectors] + j % vectors * 16, acc[j]);
    }
}

template <int rows>
void weight_avx2(const WeightTile& t, int64_t column) {
    constexpr int sums = rows * 2;
    __m256 acc[sums], dy[2];
    const float* x = t.x;
    const float* y = t.dy + column;
    const int64_t x_stride = t.x_stride, dy_stride = t.dy_stride;
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        acc[j] = _mm256_loadu_ps(t.sum + j / 2 * t.sum_stride + column + j % 2 * 8);
    }
    for (int64_t p = 0; p < t.pixels; ++p, x += x_stride, y += dy_stride) {
        dy[0] = _mm256_loadu_ps(y);
        dy[1] = _mm256_loadu_ps(y + 8);
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) {
            acc[j] = _mm256_fmadd_ps(_mm256_set1_ps(x[j / 2]), dy[j % 2], acc[j]);
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        _mm256_storeu_ps(t.sum + j / 2 * t.sum_stride + column + j % 2 * 8, acc[j]);
    }
}

template <int rows, int vectors>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) void weight_avx512(
    const WeightTile& t) {
    constexpr int sums = rows * vectors;
    __m512 acc[sums], dy[vectors];
    const float* x = t.x;
    const float* y = t.dy;
    const int64_t x_stride = t.x_stride, dy_stride = t.dy_stride;
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        acc[j] = _mm512_loadu_ps(t.sum + j / vectors * t.sum_stride + j % vectors * 16);
    }
    for (int64_t p = 0; p < t.pixels; ++p, x += x_stride, y += dy_stride) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) dy[v] = _mm512_loadu_ps(y + v * 16);
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) {
            acc[j] = _mm512_fmadd_ps(_mm512_set1_ps(x[j / vectors]), dy[j % vectors], acc[j]);
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < sums; ++j) {
        _mm512_storeu_ps(t.sum + j / vectors * t.sum_stride + j % vectors * 16, acc[j]);
    }
}

template <int rows>
void weight_rows(const WeightTile& t, bool avx512) {
    if (!avx512) {
        for (int64_t column = 0; column < t.columns; column += 16) weight_avx2<rows>(t, column);
        return;
    }
    switch (t.columns / 16) {
        case 1:
            return weight_avx512<rows, 1>(t);
        case 2:
            return weight_avx512<rows, 2>(t);
        case 3:
            return weight_avx512<rows, 3>(t);
        default:
            return weight_avx512<rows, 4>(t);
    }
}

}  // namespace

void multiply_gather_tile(const GatherTile& t, bool avx512) {
    if (!avx512) {
        for (int64_t column = 0; column < t.columns; column += 16) gather_avx2<2>(t, column);
        return;
    }
    switch (t.columns / 16) {
        case 1:
            return gather_avx512<1>(t);
        case 2:
            return gather_avx512<2>(t);
        case 3:
            return gather_avx512<3>(t);
        default:
            return gather_avx512<4>(t);
    }
}

void multiply_weight_tile(const WeightTile& t, int64_t rows, bool avx512) {
    switch (rows) {
        case 1:
            return weight_rows<1>(t, avx512);
        case 2:
            return weight_rows<2>(t, avx512);
        case 4:
            return weight_rows<4>(t, avx512);
        default:
            return weight_rows<6>(t, avx512);
    }
}

}  // namespace gradus
