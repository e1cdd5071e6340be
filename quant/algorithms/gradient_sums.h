// gradient_sums -- the backward pass of a quantizer in one pass: dx, and two sums per channel.
//
// An algorithm provides an `Element`: element.channel(c) loads the constants of a channel, and the
// result, called with (x, dy), returns the contribution of one element to the gradients.
//
// shapes     x, dy, dx [outer, channels, inner]; d0, d1 [channels], either may be null
// exactness  dx as the element's formula; d0, d1 rounded: float sums of 512 terms in 16 lanes, then
//            double in fixed order (CUDA: double throughout)
// tests      tests/lsq_test.cc, tests/quantizer_promises_test.cc
#pragma once

#include <algorithm>
#include <vector>

#include "quant/algorithms/gradient_terms.h"
#include "tensor/parallel.h"

namespace gradus {

// One block: the lanes' sums in float, whole lanes first, then the rest.
template <class ChannelElement>
GradientSums gradient_block(const float* __restrict x, const float* __restrict dy, int64_t n,
                            const ChannelElement& element, float* __restrict dx) {
    constexpr int lanes = 16;
    float d0[lanes] = {}, d1[lanes] = {};
    const int64_t whole = n / lanes * lanes;
    for (int64_t i = 0; i < whole; i += lanes) {
#pragma GCC unroll 1
        for (int lane = 0; lane < lanes; ++lane) {
            const auto terms = element(x[i + lane], dy[i + lane]);
            dx[i + lane] = terms.dx;
            d0[lane] += terms.d0;
            d1[lane] += terms.d1;
        }
    }
    for (int64_t i = whole; i < n; ++i) {
        const auto terms = element(x[i], dy[i]);
        dx[i] = terms.dx;
        d0[i - whole] += terms.d0;
        d1[i - whole] += terms.d1;
    }
    GradientSums sums;
    for (int lane = 0; lane < lanes; ++lane) {
        sums.d0 += d0[lane];
        sums.d1 += d1[lane];
    }
    return sums;
}

template <class ChannelElement>
GradientSums gradient_row(const float* x, const float* dy, int64_t n, const ChannelElement& element,
                          float* dx) {
    constexpr int64_t block = 512;  // elements summed in float before they go to double
    GradientSums sums;
    for (int64_t begin = 0; begin < n; begin += block) {
        const GradientSums part =
            gradient_block(x + begin, dy + begin, std::min(block, n - begin), element, dx + begin);
        sums.d0 += part.d0;
        sums.d1 += part.d1;
    }
    return sums;
}

template <class Element>
void gradient_sums_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                       const Element& element, float* dx, float* d0, float* d1) {
    const int64_t pieces = (layout.inner + gradient_chunk - 1) / gradient_chunk;
    std::vector<GradientSums> partial(layout.outer * layout.channels * pieces);
    parallel_chunks(
        partial.size(), layout.inner >= 4096 ? 1 : 64, [&](int64_t first, int64_t last) {
            for (int64_t task = first; task < last; ++task) {
                const int64_t row = task / pieces;
                const int64_t begin = task % pieces * gradient_chunk;
                const int64_t n = std::min(gradient_chunk, layout.inner - begin);
                const int64_t offset = row * layout.inner + begin;
                partial[task] = gradient_row(x + offset, dy + offset, n,
                                             element.channel(row % layout.channels), dx + offset);
            }
        });
    for (int64_t c = 0; c < layout.channels; ++c) {
        GradientSums sum;
        for (int64_t o = 0; o < layout.outer; ++o) {
            for (int64_t p = 0; p < pieces; ++p) {
                sum.d0 += partial[(o * layout.channels + c) * pieces + p].d0;
                sum.d1 += partial[(o * layout.channels + c) * pieces + p].d1;
            }
        }
        if (d0) d0[c] = static_cast<float>(sum.d0);
        if (d1) d1[c] = static_cast<float>(sum.d1);
    }
}

}  // namespace gradus
