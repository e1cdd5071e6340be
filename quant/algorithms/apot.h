// apot -- additive powers of two: levels, the nearest of them, and the gradient kernel.
// source     Li et al., ICLR 2020 (arXiv 1909.13144); MQBench 2.7
//
// Levels are whole numbers of the unit alpha / top, symmetric about zero if they are signed:
//   d = x / alpha, clipped to [-1, 1] (unsigned: [0, 1]);  code = nearest level to |d| top, the
//   lower one at ties, with d's sign;  x_hat = alpha / top code
//   dx = dy [|d| <= 1],  dalpha = sum dy { p - d inside; p = +-1 (unsigned below: 0) outside },
//   p = code / top
//
// shapes     x, dy, dx [outer, channels, inner]; dalpha [channels]
// exactness  codes exact for a given d; dx exact; the sum rounded (gradient_sums.h)
// tests      tests/apot_test.cc
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "tensor/kernel.h"

namespace gradus {

// The levels at and above zero, ascending, the last one `top`.
struct ApotLevels {
    int32_t count = 0;
    int32_t top = 0;
    int16_t level[64] = {};
};
// The levels of `bits` bits, 2 to 6: the sums of a power of two (or nothing) from each of the
// paper's sets.
ApotLevels apot_levels(int bits);

// The level nearest to position t >= 0, in units of 1 / top. Midpoints are halves: exact.
template <class T>
HOST_DEVICE inline int32_t nearest_level(const ApotLevels& levels, T t) {
    int32_t low = 0, high = levels.count - 1;
    while (high - low > 1) {
        const int32_t middle = (low + high) / 2;
        if (t >= T(levels.level[middle])) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const T between = T(0.5) * T(levels.level[low] + levels.level[high]);
    return levels.level[t > between ? high : low];
}

template <class T>
HOST_DEVICE inline T apot_clip(T d, bool is_signed) {
    const T low = is_signed ? T(-1) : T(0);
    return d < low ? low : (d > T(1) ? T(1) : d);
}

template <class T>
HOST_DEVICE inline int32_t apot_code(const ApotLevels& levels, T d, bool is_signed) {
    const T inside = apot_clip(d, is_signed);
    const T magnitude = inside < T(0) ? -inside : inside;
    const int32_t code = nearest_level(levels, magnitude * T(levels.top));
    return inside < T(0) ? -code : code;
}

template <class T>
HOST_DEVICE inline GradientTerms<T> apot_terms(const ApotLevels& levels, T x, T dy, T alpha,
                                               bool is_signed) {
    const T d = x / alpha;
    const T p = T(apot_code(levels, d, is_signed)) / T(levels.top);
    const bool in = apot_clip(d, is_signed) == d;
    return {in ? dy : T(0), dy * (in ? p - d : p), T(0)};
}

struct ApotChannel {
    const ApotLevels* levels;
    float alpha;
    bool is_signed;
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        return apot_terms(*levels, x, dy, alpha, is_signed);
    }
};
struct ApotElement {
    ApotLevels levels;
    const float* alpha;
    bool is_signed;
    HOST_DEVICE ApotChannel channel(int64_t c) const { return {&levels, alpha[c], is_signed}; }
};

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout,
                   const ApotElement& element, float* dx, float* dalpha)>
    apot_backward;

}  // namespace gradus
