// lsq -- learned step size quantization, the gradient kernel.
// source     Esser et al., ICLR 2020 (arXiv 1902.08153); MQBench's variant: the mask is on the
//            rounded code, the zero point is learned too
//
//   x~ = rne(x/s) + z          in: qmin <= x~ <= qmax
//   dx = dy [in]
//   ds = sum dy { rne(x/s) - x/s if in;  qmin - z below;  qmax - z above }
//   dz = sum dy { 0 if in;  -s else }
//
// shapes     x, dy, dx [outer, channels, inner]; ds, dz [channels], without the gradient scale
// exactness  dx exact; ds, dz rounded (gradient_sums.h)
// tests      tests/lsq_test.cc
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "quant/quantize_codes.h"

namespace gradus {

// The contributions of one element to the three gradients. Selections instead of branches, so that
// compilers vectorise.
template <class T>
HOST_DEVICE inline GradientTerms<T> lsq_terms(T x, T dy, T s, T z, T qmin, T qmax) {
    const T v = x / s;
    const T rounded = round_half_even(v);
    const T code = rounded + z;
    const bool below = code < qmin;
    const bool above = code > qmax;
    const T edge = below ? qmin - z : qmax - z;
    const bool outside = below | above;
    return {outside ? T(0) : dy, dy * (outside ? edge : rounded - v), outside ? -dy * s : T(0)};
}

struct LsqChannel {
    float s, z, qmin, qmax;
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        return lsq_terms(x, dy, s, z, qmin, qmax);
    }
};
struct LsqElement {
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    HOST_DEVICE LsqChannel channel(int64_t c) const {
        return {scale[c], static_cast<float>(zero_point[c]), static_cast<float>(range.qmin),
                static_cast<float>(range.qmax)};
    }
};

// dz may be null: the zero point is not learned.
extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const CodeRange& range, float* dx, float* ds,
                   float* dz)>
    lsq_backward;

}  // namespace gradus
