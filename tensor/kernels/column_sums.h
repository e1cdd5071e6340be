// column_sums -- per-channel sums over the rows of [rows, channels], fast and in one fixed order.
//
// Every channel is summed separately: float over row_block rows in order, double over those blocks,
// then over the chunks that column_chunk_rows cuts from the extents. So the bits depend neither on
// the threads nor on the vector width.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tensor/parallel.h"

namespace gradus {

// Rows of one chunk: about 32,768 elements, so that a chunk fits the second cache.
inline int64_t column_chunk_rows(int64_t channels) {
    return std::max<int64_t>(16, (int64_t{1} << 15) / std::max<int64_t>(1, channels));
}

// Eight channels at once; the compiler splits or widens it for the instruction set.
typedef float FloatLanes __attribute__((vector_size(32)));

// A term reads memory through LoadOne or LoadLanes, so that one definition serves one and eight
// channels.
struct LoadOne {
    using Value = float;
    float operator()(const float* p) const { return *p; }
};
struct LoadLanes {
    using Value = FloatLanes;
    FloatLanes operator()(const float* p) const {
        FloatLanes value;
        std::memcpy(&value, p, sizeof value);
        return value;
    }
};

// sums[k * channels + c] += term(load, r, c)[k] for rows [begin, end) and `groups` loads of
// channels from c on. Term: (load, r, c) -> array<Value, K>, reading only through load(address).
template <int K, int groups, class Load, class Term>
inline void add_column_block(int64_t begin, int64_t end, int64_t c, int64_t channels,
                             const Term& term, double* sums) {
    using Value = typename Load::Value;
    constexpr int lanes = sizeof(Value) / sizeof(float);
    Value part[groups][K] = {};
    for (int64_t r = begin; r < end; ++r) {
#pragma GCC unroll 4
        for (int g = 0; g < groups; ++g) {
            const std::array<Value, K> value = term(Load(), r, c + g * lanes);
#pragma GCC unroll 2
            for (int k = 0; k < K; ++k) part[g][k] += value[k];
        }
    }
    for (int k = 0; k < K; ++k) {
        float flat[groups * lanes];
        for (int g = 0; g < groups; ++g) std::memcpy(flat + g * lanes, &part[g][k], sizeof(Value));
        double* sum = sums + k * channels + c;
        for (int j = 0; j < groups * lanes; ++j) sum[j] += static_cast<double>(flat[j]);
    }
}

template <int K, class Term>
void add_columns(int64_t begin, int64_t end, int64_t channels, const Term& term, double* sums) {
    constexpr int64_t row_block = 32;
    for (int64_t r = begin; r < end; r += row_block) {
        const int64_t stop = std::min(end, r + row_block);
        int64_t c = 0;
        for (; c + 32 <= channels; c += 32) {
            add_column_block<K, 4, LoadLanes>(r, stop, c, channels, term, sums);
        }
        for (; c + 8 <= channels; c += 8) {
            add_column_block<K, 1, LoadLanes>(r, stop, c, channels, term, sums);
        }
        for (; c < channels; ++c) {
            add_column_block<K, 1, LoadOne>(r, stop, c, channels, term, sums);
        }
    }
}

// The sums over all rows, [K][channels], in parallel over the chunks.
template <int K, class Term>
std::vector<double> column_sums(int64_t rows, int64_t channels, const Term& term) {
    const int64_t chunk = column_chunk_rows(channels);
    const int64_t chunks = (rows + chunk - 1) / chunk;
    std::vector<double> partial(chunks * K * channels);
    parallel_chunks(rows, chunk, [&](int64_t begin, int64_t end) {
        add_columns<K>(begin, end, channels, term, &partial[begin / chunk * K * channels]);
    });
    std::vector<double> sums(K * channels);
    for (int64_t i = 0; i < chunks; ++i) {
        for (int64_t j = 0; j < K * channels; ++j) sums[j] += partial[i * K * channels + j];
    }
    return sums;
}

}  // namespace gradus
