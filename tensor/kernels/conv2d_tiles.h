// conv2d_tiles -- the innermost products of the float convolutions, in vector registers.
//
// Every sum is one chain of fused multiply-adds in a fixed order, so the bits do not depend on the
// vector width: AVX2 is the baseline, AVX-512 for CPUs that have it.
#pragma once

#include <cstdint>

namespace gradus {

// Six output pixels by up to 64 output channels:
//   out[i][j] = from[i][j] + sum over taps t, channels c of pixel[t][i][c] * panel[t][c][j]
struct GatherTile {
    static constexpr int64_t pixels = 6;
    static constexpr int64_t width = 64;  // of a whole panel; the last is narrower

    const float* const* pixel;  // [taps][6]: the input of each output pixel; padding reads zeros
    int64_t taps, channels;
    const float* panel;        // [taps][channels][columns]
    int64_t columns;           // a multiple of 16, at most `width`
    const float* const* from;  // [6]: initial values of the sums, `columns` each
    float* const* out;         // [6]: `columns` each
};
void multiply_gather_tile(const GatherTile& tile, bool avx512);

// Up to six weights by up to 64 filters, summed over pixels:
//   sum[i][j] += sum over pixels p of x[p][i] * dy[p][j]
struct WeightTile {
    static constexpr int64_t most_rows = 6;
    static constexpr int64_t width = 64;

    const float* x;
    int64_t x_stride;
    const float* dy;
    int64_t dy_stride;
    int64_t pixels;
    float* sum;
    int64_t sum_stride;
    int64_t columns;  // a multiple of 16, at most `width`
};
// rows: 1, 2, 4 or 6.
void multiply_weight_tile(const WeightTile& tile, int64_t rows, bool avx512);

}  // namespace gradus
