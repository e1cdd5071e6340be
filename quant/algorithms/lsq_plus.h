// lsq_plus -- LSQ with a learned offset, the gradient kernel.
// source     Bhalgat et al., CVPR Workshops 2020 (arXiv 2004.09576)
//
//   v = (x - beta)/s           below: v < qmin, above: v > qmax (not rounded)
//   dx = dy [in]
//   ds = sum dy { q - v if in;  qmin below;  qmax above }
//   dbeta = sum dy { 0 if in;  1 else }
//
// On a grid with an integer zero point z the code is rne(x/s) + z, so v = x/s + z, and outside
// ds = q - (z - z_real): the derivative of s (q - z) through the rounding of z_real = -beta/s.
//
// shapes     x, dy, dx [outer, channels, inner]; ds, dbeta [channels], without the gradient scale
// exactness  dx exact; the sums rounded (gradient_sums.h)
// tests      tests/lsq_plus_test.cc
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "quant/quantize_codes.h"

namespace gradus {

// `residual` is q - v inside; `shift` is z - z_real, 0 for a real offset.
template <class T>
HOST_DEVICE inline GradientTerms<T> lsq_plus_terms(T v, T residual, T dy, T shift, T qmin, T qmax) {
    const bool below = v < qmin;
    const bool above = v > qmax;
    const bool outside = below | above;
    const T edge = (below ? qmin : qmax) - shift;
    return {outside ? T(0) : dy, dy * (outside ? edge : residual), outside ? dy : T(0)};
}

// The real offset of the paper.
struct LsqPlusReal {
    float s, beta, qmin, qmax;
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        const float v = (x - beta) / s;
        return lsq_plus_terms(v, round_half_even(v) - v, dy, 0.0f, qmin, qmax);
    }
};
// The offset on the grid.
struct LsqPlusInteger {
    float s, z, shift, qmin, qmax;
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        const float v = x / s;
        return lsq_plus_terms(v + z, round_half_even(v) - v, dy, shift, qmin, qmax);
    }
};

struct LsqPlusRealElement {
    const float* scale;
    const float* beta;
    CodeRange range;
    HOST_DEVICE LsqPlusReal channel(int64_t c) const {
        return {scale[c], beta[c], static_cast<float>(range.qmin), static_cast<float>(range.qmax)};
    }
};
struct LsqPlusIntegerElement {
    const float* scale;
    const int32_t* zero_point;
    const float* shift;
    CodeRange range;
    HOST_DEVICE LsqPlusInteger channel(int64_t c) const {
        return {scale[c], static_cast<float>(zero_point[c]), shift[c],
                static_cast<float>(range.qmin), static_cast<float>(range.qmax)};
    }
};

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout, const float* scale,
                   const float* beta, const CodeRange& range, float* dx, float* ds, float* dbeta)>
    lsq_plus_real_backward;
extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const float* shift, const CodeRange& range, float* dx,
                   float* ds, float* dbeta)>
    lsq_plus_integer_backward;

}  // namespace gradus
