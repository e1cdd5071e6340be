#include "tensor/kernels/conv2d_codes_simd.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/kernels/conv2d_codes_offset.h"
#include "tensor/kernels/conv2d_codes_saturating.h"
#include "tensor/kernels/conv2d_depthwise.h"
#include "tensor/kernels/im2col.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t tile_rows = 6;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// One tile: acc[6, vectors * lanes] = init + a panel, with `vectors` panels of `lanes` filters.
template <class Code, class Weight>
struct Tile {
    const Code* a;  // [6, a_stride]
    int64_t a_stride;
    int64_t steps;        // of `depth` codes
    const Weight* panel;  // [vectors][steps][lanes][depth]
    const int32_t* init;  // [vectors * lanes]
    int32_t* acc;
    int64_t acc_stride;
};

// 32 bits: the codes that every lane of a vector reads.
template <class Code>
inline int32_t load_codes(const Code* from) {
    int32_t codes;
    std::memcpy(&codes, from, sizeof codes);
    return codes;
}

// 16 bits of bytes, likewise.
inline int16_t load_pair(const uint8_t* from) {
    int16_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return pair;
}

// In all kernels the sums are one flat array and the innermost loop runs over it, so that the
// compiler keeps them in registers.

// x - zx and w - zw fit int16 whatever the signedness.
struct WidenedProducts {
    using Code = int16_t;
    using Weight = int16_t;
    static constexpr int64_t depth = 2;
    static int32_t offset(const ConvCodes& conv) { return -conv.x_zero_point; }
    static int32_t weight_offset(int32_t zero_point) { return -zero_point; }
    static __m256i add(__m256i acc, __m256i x, __m256i w) {
        return _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
    }
};

// u8 x and s8 w; WeightOffsets subtracts the zero points of w later.
struct ByteProducts {
    using Code = uint8_t;
    using Weight = int8_t;
    static int32_t offset(const ConvCodes& conv) { return conv.x_signed ? 128 : 0; }
    static int32_t weight_offset(int32_t) { return 0; }
};

// AccumulatorPolicy::pairs16.
struct SaturatingPairs : ByteProducts {
    static constexpr int64_t depth = 4;
    static __m256i add(__m256i acc, __m256i x, __m256i w) {
        const __m256i pairs = _mm256_maddubs_epi16(x, w);
        return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};

inline __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

inline void store(int32_t* to, __m256i sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums);
}

template <class Products>
struct Avx2 : Products {
    using typename Products::Code, typename Products::Weight;
    static constexpr int64_t lanes = 8, depth = Products::depth, most_vectors = 2;

    template <int vectors>
    static void multiply(const Tile<Code, Weight>& t) {
        constexpr int sums = tile_rows * vectors;
        const int64_t next_panel = t.steps * lanes * depth;
        const Code* a = t.a;
        const Weight* panel = t.panel;
        __m256i acc[sums], w[vectors];
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) acc[j] = load(t.init + j % vectors * lanes);
        for (int64_t step = 0; step < t.steps; ++step, a += depth, panel += lanes * depth) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) w[v] = load(panel + v * next_panel);
#pragma GCC unroll 24
            for (int j = 0; j < sums; ++j) {
                const __m256i x = _mm256_set1_epi32(load_codes(a + j / vectors * t.a_stride));
                acc[j] = Products::add(acc[j], x, w[j % vectors]);
            }
        }
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) {
            store(t.acc + j / vectors * t.acc_stride + j % vectors * lanes, acc[j]);
        }
    }
};

// AccumulatorPolicy::acc16: a lane is a filter, and a step its next pair.
struct Avx2Acc16 : ByteProducts {
    static constexpr int64_t lanes = 16, depth = 2, most_vectors = 2;
    static constexpr int64_t run = acc16_run / depth;

    // t.acc += the sums of the steps [begin, end), which saturate at 16 bits.
    template <int vectors>
    static void multiply_run(const Tile<Code, Weight>& t, int64_t begin, int64_t end) {
        constexpr int sums = tile_rows * vectors;
        const Code* a = t.a + begin * depth;
        const Weight* panel = t.panel + begin * lanes * depth;
        __m256i acc[sums], w[vectors];
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) acc[j] = _mm256_setzero_si256();
        for (int64_t step = begin; step < end; ++step, a += depth, panel += lanes * depth) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) w[v] = load(panel + v * t.steps * lanes * depth);
#pragma GCC unroll 24
            for (int j = 0; j < sums; ++j) {
                const __m256i x = _mm256_set1_epi16(load_pair(a + j / vectors * t.a_stride));
                acc[j] = _mm256_adds_epi16(acc[j], _mm256_maddubs_epi16(x, w[j % vectors]));
            }
        }
        for (int j = 0; j < sums; ++j) {
            int32_t* to = t.acc + j / vectors * t.acc_stride + j % vectors * lanes;
            const __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(acc[j]));
            const __m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(acc[j], 1));
            store(to, _mm256_add_epi32(load(to), low));
            store(to + 8, _mm256_add_epi32(load(to + 8), high));
        }
    }

    template <int vectors>
    static void multiply(const Tile<Code, Weight>& t) {
        for (int64_t r = 0; r < tile_rows; ++r) {
            std::copy_n(t.init, vectors * lanes, t.acc + r * t.acc_stride);
        }
        for (int64_t begin = 0; begin < t.steps; begin += run) {
            multiply_run<vectors>(t, begin, std::min(begin + run, t.steps));
        }
    }
};

struct Avx512Vnni : ByteProducts {
    static constexpr int64_t lanes = 16, depth = 4, most_vectors = 4;

    template <int vectors>
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))) static void multiply(
        const Tile<Code, Weight>& t) {
        constexpr int sums = tile_rows * vectors;
        const int64_t next_panel = t.steps * lanes * depth, a_stride = t.a_stride;
        const Code* a = t.a;
        const Weight* panel = t.panel;
        __m512i acc[sums], w[vectors];
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) acc[j] = _mm512_loadu_si512(t.init + j % vectors * lanes);
        for (int64_t step = 0; step < t.steps; ++step, a += depth, panel += lanes * depth) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) w[v] = _mm512_loadu_si512(panel + v * next_panel);
#pragma GCC unroll 24
            for (int j = 0; j < sums; ++j) {
                const __m512i x = _mm512_set1_epi32(load_codes(a + j / vectors * a_stride));
                acc[j] = _mm512_dpbusd_epi32(acc[j], x, w[j % vectors]);
            }
        }
#pragma GCC unroll 24
        for (int j = 0; j < sums; ++j) {
            _mm512_storeu_si512(t.acc + j / vectors * t.acc_stride + j % vectors * lanes, acc[j]);
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

// Writes a tile of which only `rows` x `columns` exist: tails go through a buffer.
template <class Isa>
void multiply_into(Tile<typename Isa::Code, typename Isa::Weight>& tile, int64_t panels,
                   int64_t rows, int64_t columns, int32_t* acc, int64_t acc_stride) {
    const int64_t width = std::min(panels, Isa::most_vectors) * Isa::lanes;
    if (rows == tile_rows && columns == width) {
        tile.acc = acc;
        tile.acc_stride = acc_stride;
        return multiply<Isa>(tile, panels);
    }
    int32_t whole[tile_rows * Isa::most_vectors * Isa::lanes];
    tile.acc = whole;
    tile.acc_stride = width;
    multiply<Isa>(tile, panels);
    for (int64_t r = 0; r < rows; ++r) {
        std::copy_n(whole + r * width, columns, acc + r * acc_stride);
    }
}

// The weights of all groups, + weight_offset, in panels of `lanes` filters, k in steps of `depth`,
// padded with 0; and the initial value of every sum: bias[o] - (zx + offset) sum_k w[o, k].
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
        const SignedWeights w(conv);
        const int32_t offset = Isa::weight_offset(w.zero_point(o));
        typename Isa::Weight* to = weights.data() + group * group_weights() +
                                   column / Isa::lanes * steps * Isa::lanes * Isa::depth +
                                   column % Isa::lanes * Isa::depth;
        int32_t sum = 0;
        for (int64_t i = 0; i < k; ++i) {
            const int32_t value = w.code(o * k + i) + offset;
            to[i / Isa::depth * Isa::lanes * Isa::depth + i % Isa::depth] =
                static_cast<typename Isa::Weight>(value);
            sum += value;
        }
        const int32_t zero_point = conv.x_zero_point + Isa::offset(conv);
        // Modulo 2^32, like the sums: only the final accumulator must fit.
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
                      const Im2colBlock& block, int64_t group, int32_t* acc) {
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
        tile.panel = packed.weights.data() + group * packed.group_weights() + first * stride;
        tile.init = packed.init.data() + group * packed.group_columns() + first;
        const int64_t columns = std::min(Isa::most_vectors * Isa::lanes, s.group_out() - first);
        for (int64_t row = 0; row < block.rows; row += tile_rows) {
            tile.a = column + row * stride;
            multiply_into<Isa>(tile, packed.panels - panel, std::min(tile_rows, block.rows - row),
                               columns, acc + row * s.o + group * s.group_out() + first, s.o);
        }
    }
}

template <class Isa>
void convolve(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const Conv2dShape& s = conv.shape;
    const PackedWeights<Isa> packed(conv);
    parallel_chunks(s.n * s.oh * s.ow, block_rows(s), [&](int64_t begin, int64_t end) {
        const int64_t rows = end - begin;
        int32_t* acc = thread_scratch<int32_t, AccumulatorScratch>(rows * s.o);
        for (int64_t group = 0; group < s.attrs.groups; ++group) {
            accumulate_group(conv, packed,
                             {begin, rows, 0, s.kh * s.kw, group * s.group_in(), s.group_in()},
                             group, acc);
        }
        epilogue(begin, rows, acc);
    });
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
    const SignedWeights w(conv);
    std::vector<int32_t> weights(s.o * s.k());
    for (int64_t i = 0; i < s.o * s.k(); ++i) {
        weights[i % s.k() * s.o + i / s.k()] = w.code(i) - w.zero_point(i / s.k());
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
    const auto is_code = [](int32_t zero_point, bool is_signed) {
        const int32_t lowest = is_signed ? -128 : 0;
        return zero_point >= lowest && zero_point <= lowest + 255;
    };
    const int32_t* zw = conv.w_zero_point;
    return is_code(conv.x_zero_point, conv.x_signed) &&
           (!zw || std::all_of(zw, zw + conv.shape.o,
                               [&](int32_t z) { return is_code(z, conv.w_signed); }));
}

namespace {

// Runs a kernel of bytes and then subtracts the weights' zero points.
template <class Isa>
void convolve_bytes(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const WeightOffsets offsets(conv);
    if (!offsets.any()) return convolve<Isa>(conv, epilogue);
    convolve<Isa>(conv, [&](int64_t row, int64_t rows, const int32_t* acc) {
        offsets.subtract(row, rows, acc, epilogue);
    });
}

}  // namespace

void conv2d_codes_avx2(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    switch (conv.policy) {
        case AccumulatorPolicy::pairs16:
            return convolve_bytes<Avx2<SaturatingPairs>>(conv, epilogue);
        case AccumulatorPolicy::acc16:
            return convolve_bytes<Avx2Acc16>(conv, epilogue);
        default:
            if (is_depthwise(conv.shape)) return convolve_depthwise(conv, epilogue);
            return convolve<Avx2<WidenedProducts>>(conv, epilogue);
    }
}

void conv2d_codes_avx512_vnni(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    if (is_depthwise(conv.shape)) return convolve_depthwise(conv, epilogue);
    convolve_bytes<Avx512Vnni>(conv, epilogue);
}

}  // namespace gradus
