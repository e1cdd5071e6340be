// pact -- parameterized clipping activation, the gradient kernel.
// source     Choi et al., 2018 (arXiv 1805.06085); MQBench's form with a lower clip
//
//   m(v) = [qmin <= rne(v/s) + z <= qmax]                       s, z are constants here
//   x > alpha:  dx = 0, dalpha = sum dy m(alpha)
//   x < low:    dx = 0, symmetric: dalpha = -sum dy m(low), low = -alpha; else dlow = sum dy m(low)
//   else:       dx = dy m(x)
//
// shapes     x, dy, dx [n]; dalpha, dlow [1]
// exactness  dx exact; the sums rounded (gradient_sums.h)
// tests      tests/pact_test.cc
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "quant/quantize_codes.h"

namespace gradus {

struct PactClip {
    float alpha;
    float low;       // -infinity: no lower clip
    bool symmetric;  // low is -alpha
};

template <class T>
HOST_DEVICE inline bool code_in_range(T v, T s, T z, T qmin, T qmax) {
    const T code = round_half_even(v / s) + z;
    return code >= qmin && code <= qmax;
}

template <class T>
HOST_DEVICE inline GradientTerms<T> pact_terms(T x, T dy, T low, T alpha, bool symmetric, bool in,
                                               bool low_in, bool alpha_in) {
    if (x > alpha) return {T(0), alpha_in ? dy : T(0), T(0)};
    if (x < low) {
        const T d = low_in ? dy : T(0);
        return {T(0), symmetric ? -d : T(0), symmetric ? T(0) : d};
    }
    return {in ? dy : T(0), T(0), T(0)};
}

struct PactChannel {
    PactClip clip;
    float s, z, qmin, qmax;
    bool low_in, alpha_in;
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        return pact_terms(x, dy, clip.low, clip.alpha, clip.symmetric,
                          code_in_range(x, s, z, qmin, qmax), low_in, alpha_in);
    }
};
struct PactElement {
    PactClip clip;
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    HOST_DEVICE PactChannel channel(int64_t c) const {
        const float s = scale[c], z = static_cast<float>(zero_point[c]);
        const float qmin = static_cast<float>(range.qmin), qmax = static_cast<float>(range.qmax);
        return {clip,
                s,
                z,
                qmin,
                qmax,
                code_in_range(clip.low, s, z, qmin, qmax),
                code_in_range(clip.alpha, s, z, qmin, qmax)};
    }
};

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout,
                   const PactClip& clip, const float* scale, const int32_t* zero_point,
                   const CodeRange& range, float* dx, float* dalpha, float* dlow)>
    pact_backward;

}  // namespace gradus
