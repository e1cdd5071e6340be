#include "tensor/kernels/conv2d_codes_simd.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/kernels/im2col.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t tile_rows = 6;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// One tile: acc[6 rows, columns] = init + a panel, with `vectors` panels of `lanes` columns each.
template <class Code, class Weight>
struct Tile {
    const Code* a;  // [6, a_stride]
    int64_t a_stride;
    int64_t steps;        // of `depth` codes
    const Weight* panel;  // [vectors][steps][lanes][depth]
    const int32_t* init;  // [vectors * lanes]
    int32_t* acc;
    int64_t acc_stride;
    int64_t columns;  // the last panel may be wider than what is left
};

// Unaligned 32 bits: the codes that one lane of every vector reads.
template <class Code>
inline int32_t load_codes(const Code* from) {
    int32_t codes;
    std::memcpy(&codes, from, sizeof codes);
    return codes;
}

struct Avx2 {
    using Code = int16_t;
    using Weight = int16_t;
    static constexpr int64_t lanes = 8, depth = 2, most_vectors = 2;
    // x - zx fits int16 whatever the signedness.
    static int32_t offset(const ConvCodes& conv) { return -conv.x_zero_point; }

    template <int vectors>
    static void multiply(const Tile<Code, Weight>& t) {
        __m256i acc[tile_rows][vectors];
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                acc[i][v] =
                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.init + v * lanes));
            }
        }
        for (int64_t step = 0; step < t.steps; ++step) {
            __m256i w[vectors];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                w[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
                    t.panel + (v * t.steps + step) * lanes * depth));
            }
#pragma GCC unroll 8
            for (int i = 0; i < tile_rows; ++i) {
                const __m256i x =
                    _mm256_set1_epi32(load_codes(t.a + i * t.a_stride + step * depth));
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    acc[i][v] = _mm256_add_epi32(acc[i][v], _mm256_madd_epi16(x, w[v]));
                }
            }
        }
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i last = _mm256_cmpgt_epi32(
            _mm256_set1_epi32(static_cast<int>(t.columns - (vectors - 1) * lanes)), lane);
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                _mm256_maskstore_epi32(t.acc + i * t.acc_stride + v * lanes,
                                       v + 1 < vectors ? _mm256_set1_epi32(-1) : last, acc[i][v]);
            }
        }
    }
};

struct Avx512Vnni {
    using Code = uint8_t;
    using Weight = int8_t;
    static constexpr int64_t lanes = 16, depth = 4, most_vectors = 4;
    static int32_t offset(const ConvCodes& conv) { return conv.x_signed ? 128 : 0; }

    template <int vectors>
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))) static void multiply(
        const Tile<Code, Weight>& t) {
        __m512i acc[tile_rows][vectors];
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) acc[i][v] = _mm512_loadu_si512(t.init + v * lanes);
        }
        for (int64_t step = 0; step < t.steps; ++step) {
            __m512i w[vectors];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                w[v] = _mm512_loadu_si512(t.panel + (v * t.steps + step) * lanes * depth);
            }
#pragma GCC unroll 8
            for (int i = 0; i < tile_rows; ++i) {
                const __m512i x =
                    _mm512_set1_epi32(load_codes(t.a + i * t.a_stride + step * depth));
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v) {
                    acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], x, w[v]);
                }
            }
        }
        const int64_t left = t.columns - (vectors - 1) * lanes;
        const __mmask16 last = static_cast<__mmask16>(left >= lanes ? 0xFFFF : (1 << left) - 1);
#pragma GCC unroll 8
        for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v) {
                _mm512_mask_storeu_epi32(t.acc + i * t.acc_stride + v * lanes,
                                         v + 1 < vectors ? __mmask16{0xFFFF} : last, acc[i][v]);
            }
        }
    }
};

template <class Isa, int vectors = Isa::most_vectors>
void multiply(const Tile<typename Isa::Code, typename Isa::Weight>& tile, int64_t wanted) {
    if constexpr (vectors == 1) {
        Isa::template multiply<1>(tile);
    } else if (wanted >= vectors) {
        Isa::template multiply<vectors>(tile);
    } else {
        multiply<Isa, vectors - 1>(tile, wanted);
    }
}

// The weights of all groups in panels of `lanes` filters, k in steps of `depth`, padded with 0;
// and what every sum starts from: bias[o] - (zx + offset) sum_k w[o, k].
template <class Isa>
struct PackedWeights {
    int64_t steps, panels;                      // of one group
    std::vector<typename Isa::Weight> weights;  // [groups][panels][steps][lanes][depth]
    std::vector<int32_t> init;                  // [groups][panels * lanes]

    explicit PackedWeights(const ConvCodes& conv)
        : steps(divide_up(conv.shape.k(), Isa::depth)),
          panels(divide_up(conv.shape.group_out(), Isa::lanes)),
          weights(conv.shape.attrs.groups * group_weights()),
          init(conv.shape.attrs.groups * group_columns()) {
        parallel_chunks(conv.shape.o, Isa::lanes, [&](int64_t begin, int64_t end) {
            for (int64_t o = begin; o < end; ++o) pack_filter(conv, o);
        });
    }

    int64_t group_columns() const { return panels * Isa::lanes; }
    int64_t group_weights() const { return group_columns() * steps * Isa::depth; }

    void pack_filter(const ConvCodes& conv, int64_t o) {
        const int64_t k = conv.shape.k(), group = o / conv.shape.group_out();
        const int64_t column = o % conv.shape.group_out();
        const int8_t* w = static_cast<const int8_t*>(conv.w) + o * k;
        typename Isa::Weight* to = weights.data() + group * group_weights() +
                                   column / Isa::lanes * steps * Isa::lanes * Isa::depth +
                                   column % Isa::lanes * Isa::depth;
        int32_t sum = 0;
        for (int64_t i = 0; i < k; ++i) {
            to[i / Isa::depth * Isa::lanes * Isa::depth + i % Isa::depth] = w[i];
            sum += w[i];
        }
        const int32_t zero_point = conv.x_zero_point + Isa::offset(conv);
        // Modulo 2^32, as the sums are: only the final accumulator must fit.
        const uint32_t start = static_cast<uint32_t>(conv.bias ? conv.bias[o] : 0) -
                               static_cast<uint32_t>(zero_point) * static_cast<uint32_t>(sum);
        init[group * group_columns() + column] = static_cast<int32_t>(start);
    }
};

struct ColumnScratch;
struct AccumulatorScratch;

// Rows of a tile of accumulators: the codes they read stay in the second-level cache, and the tile
// nearly in the first.
int64_t block_rows(const Conv2dShape& s) {
    const int64_t rows = std::min((int64_t{192} << 10) / s.k(), (int64_t{64} << 10) / s.o);
    return std::clamp<int64_t>(rows / tile_rows * tile_rows, 48, 240);
}

// acc[rows, first column of the group ...] of one group.
template <class Isa>
void accumulate_group(const ConvCodes& conv, const PackedWeights<Isa>& packed,
                      const Im2colBlock& block, int32_t* acc) {
    using Code = typename Isa::Code;
    const Conv2dShape& s = conv.shape;
    const int64_t stride = packed.steps * Isa::depth;
    Code* column = thread_scratch<Code, ColumnScratch>((block.rows + tile_rows) * stride);
    const Im2colValues<Code> values{static_cast<Code>(Isa::offset(conv)),
                                    static_cast<Code>(conv.x_zero_point + Isa::offset(conv))};
    if (conv.x_signed) {
        im2col(static_cast<const int8_t*>(conv.x), s, block, values, column, stride);
    } else {
        im2col(static_cast<const uint8_t*>(conv.x), s, block, values, column, stride);
    }
    for (int64_t panel = 0; panel < packed.panels; panel += Isa::most_vectors) {
        const int64_t first = panel * Isa::lanes;
        Tile<Code, typename Isa::Weight> tile;
        tile.a_stride = stride;
        tile.steps = packed.steps;
        tile.panel = packed.weights.data() + block.group * packed.group_weights() + first * stride;
        tile.init = packed.init.data() + block.group * packed.group_columns() + first;
        tile.acc_stride = s.o;
        tile.columns = std::min(Isa::most_vectors * Isa::lanes, s.group_out() - first);
        for (int64_t row = 0; row < block.rows; row += tile_rows) {
            tile.a = column + row * stride;
            tile.acc = acc + row * s.o + block.group * s.group_out() + first;
            multiply<Isa>(tile, packed.panels - panel);
        }
    }
}

template <class Isa>
void convolve(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const Conv2dShape& s = conv.shape;
    const PackedWeights<Isa> packed(conv);
    parallel_chunks(s.n * s.oh * s.ow, block_rows(s), [&](int64_t begin, int64_t end) {
        const int64_t rows = end - begin;
        int32_t* acc = thread_scratch<int32_t, AccumulatorScratch>((rows + tile_rows) * s.o);
        for (int64_t group = 0; group < s.attrs.groups; ++group) {
            accumulate_group(conv, packed, {begin, rows, 0, s.kh * s.kw, group}, acc);
        }
        epilogue(begin, rows, acc);
    });
}

bool is_depthwise(const Conv2dShape& s) {
    return s.group_in() == 1 && s.group_out() == 1;
}

// Depthwise: no sum over channels, so channels are the lanes. weights [KH * KW][C].
template <class X>
void depthwise_rows(const ConvCodes& conv, const std::vector<int32_t>& weights, int64_t row,
                    int64_t rows, int32_t* acc) {
    const Conv2dShape& s = conv.shape;
    for (int64_t r = row; r < row + rows; ++r, acc += s.o) {
        const int64_t n = r / (s.oh * s.ow), oh = r / s.ow % s.oh, ow = r % s.ow;
        for (int64_t c = 0; c < s.c; ++c) acc[c] = conv.bias ? conv.bias[c] : 0;
        for (int64_t at = 0; at < s.kh * s.kw; ++at) {
            const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + at / s.kw;
            const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + at % s.kw;
            if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) continue;
            const X* x = static_cast<const X*>(conv.x) + ((n * s.h + ih) * s.w + iw) * s.c;
            const int32_t* w = weights.data() + at * s.c;
            for (int64_t c = 0; c < s.c; ++c) acc[c] += (x[c] - conv.x_zero_point) * w[c];
        }
    }
}

void convolve_depthwise(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const Conv2dShape& s = conv.shape;
    std::vector<int32_t> weights(s.o * s.k());
    for (size_t i = 0; i < weights.size(); ++i) {
        weights[i % s.k() * s.o + i / s.k()] = static_cast<const int8_t*>(conv.w)[i];
    }
    parallel_chunks(s.n * s.oh * s.ow, block_rows(s), [&](int64_t begin, int64_t end) {
        int32_t* acc = thread_scratch<int32_t, AccumulatorScratch>((end - begin) * s.o);
        if (conv.x_signed) {
            depthwise_rows<int8_t>(conv, weights, begin, end - begin, acc);
        } else {
            depthwise_rows<uint8_t>(conv, weights, begin, end - begin, acc);
        }
        epilogue(begin, end - begin, acc);
    });
}

}  // namespace

bool conv2d_codes_vectorizes(const ConvCodes& conv) {
    const int32_t* zw = conv.w_zero_point;
    const bool symmetric =
        !zw || std::all_of(zw, zw + conv.shape.o, [](int32_t z) { return z == 0; });
    const int32_t lowest = conv.x_signed ? -128 : 0;
    return conv.w_signed && symmetric && conv.x_zero_point >= lowest &&
           conv.x_zero_point <= lowest + 255;
}

void conv2d_codes_avx2(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    if (is_depthwise(conv.shape)) return convolve_depthwise(conv, epilogue);
    convolve<Avx2>(conv, epilogue);
}

void conv2d_codes_avx512_vnni(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    if (is_depthwise(conv.shape)) return convolve_depthwise(conv, epilogue);
    convolve<Avx512Vnni>(conv, epilogue);
}

}  // namespace gradus
