// soft_round -- a weight between two codes; its position between them is learned (AdaRound).
//
//   h(v)   = clip(sigmoid(v) (zeta - gamma) + gamma, 0, 1),    gamma = -0.1, zeta = 1.1
//   w_hat  = s (clip(floor(w / s) + h(v) + z, qmin, qmax) - z)
//   first  v = -ln((zeta - gamma) / (frac - gamma) - 1),       frac = w / s - floor(w / s)
//          so that h(v) = frac and w_hat = w, where nothing is clipped
//   hard   h = 1 where v >= 0, else 0
//   penalty = strength sum_i (1 - |2 h(v_i) - 1|^beta): pushes h to 0 or 1
//
// gradient   dv = dw_hat s h'(v) where qmin <= floor(w / s) + h + z <= qmax, else 0; none for w
// shapes     w, v, w_hat alike; scale and zero point one, or one per index of the format's axis
// exactness  rounded; hard codes exact
// source     Nagel et al., Up or down? Adaptive rounding for post-training quantization, ICML 2020
//            (arXiv 2004.10568), eq. 21 to 24; MQBench 2.8
// tests      tests/soft_round_test.cc
#pragma once

#include <cmath>

#include "autograd/variable.h"
#include "quant/numerics.h"
#include "quant/quantizer.h"
#include "tensor/rng.h"

namespace gradus {

template <class T>
struct RoundingPiece {
    T value, slope;
};

// h and dh/dv.
template <class T>
HOST_DEVICE inline RoundingPiece<T> rectified_sigmoid(T v) {
    const T sigmoid = T(1) / (T(1) + std::exp(-v));
    const T h = sigmoid * T(1.2) - T(0.1);
    if (h <= T(0)) return {T(0), T(0)};
    if (h >= T(1)) return {T(1), T(0)};
    return {h, T(1.2) * sigmoid * (T(1) - sigmoid)};
}

// The v with h(v) = frac, 0 <= frac <= 1.
template <class T>
HOST_DEVICE inline T first_rounding(T frac) {
    return -std::log(T(1.2) / (frac + T(0.1)) - T(1));
}

// w_hat and dw_hat/dv.
template <class T>
HOST_DEVICE inline RoundingPiece<T> soft_round_value(T w, T s, T v, T z, T qmin, T qmax) {
    const RoundingPiece<T> h = rectified_sigmoid(v);
    const T q = integer_below(w, s) + h.value + z;
    if (q < qmin) return {s * (qmin - z), T(0)};
    if (q > qmax) return {s * (qmax - z), T(0)};
    return {s * (q - z), s * h.slope};
}

// 1 - |2 h - 1|^beta and its derivative.
template <class T>
HOST_DEVICE inline RoundingPiece<T> rounding_penalty_value(T v, T beta) {
    const RoundingPiece<T> h = rectified_sigmoid(v);
    if (h.value <= T(0) || h.value >= T(1)) return {T(0), T(0)};
    const T u = T(2) * h.value - T(1);
    const T magnitude = std::fabs(u);
    const T power = std::pow(magnitude, beta - T(1));
    const T slope = -beta * power * T(2) * h.slope;
    return {T(1) - power * magnitude, u < T(0) ? -slope : slope};
}

// The operators on whole arrays; q is the weight's quantizer and `grid` its grid.
Variable soft_round(const Quantizer& q, const Grid& grid, const Variable& w, const Variable& v);
Variable rounding_penalty(const Variable& v, float strength, float beta);

// v for every element of w, and the codes that v >= 0 chooses.
Tensor first_roundings(const Quantizer& q, const Grid& grid, const Tensor& w);
Affine learned_codes(const Quantizer& q, const Grid& grid, const Tensor& w, const Tensor& v);

// x where a draw says so, else x_hat: each element is rounded with probability `keep`.
// (QDrop: Wei et al., ICLR 2022, arXiv 2203.05740; MQBench's `prob`.) Exact.
Variable drop_rounding(const Variable& x, const Variable& x_hat, float keep, const Rng& rng);

// mean over rows of sum over the last axis of (y - target)^2. Rounded; sums in double.
Variable reconstruction_loss(const Variable& y, const Tensor& target);

}  // namespace gradus
