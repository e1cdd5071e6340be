// qil -- quantization interval learning, the gradient kernel.
// source     Jung et al., CVPR 2019 (arXiv 1808.05779); MQBench 2.6
//
//   a = 1/(2 D),  c0 = 1/2 - C/(2 D),  r = a |x| + c0 (unsigned: a x + c0)
//   x_hat = rne(clip(r, 0, 1) sign(x) n) / n,   n = 2^(b-1) - 1 (unsigned: 2^b - 1, no sign)
//   where 0 <= r <= 1: dx = dy a,  dC = -sum dy a sign(x),
//                      dD = -sum dy (|x| - C) / (2 D^2) sign(x);  0 elsewhere
//
// shapes     x, dy, dx [n]; dC, dD [1], without the gradient scale
// exactness  dx exact; the sums rounded (gradient_sums.h)
// tests      tests/qil_test.cc
#pragma once

#include "quant/algorithms/gradient_terms.h"
#include "quant/numerics.h"

namespace gradus {

template <class T>
struct QilInterval {
    T center, width;
    bool is_signed;  // else x replaces |x|
    bool clip;       // MQBench's released code forgets the clip of unsigned activations

    HOST_DEVICE T slope() const { return T(0.5) / width; }
    HOST_DEVICE T sign(T x) const { return !is_signed || x > T(0) ? T(1) : T(x < T(0) ? -1 : 0); }
    HOST_DEVICE T magnitude(T x) const { return is_signed && x < T(0) ? -x : x; }
    // r: maps the interval [C - D, C + D] to [0, 1].
    HOST_DEVICE T place(T x) const {
        return slope() * magnitude(x) + (T(-0.5) * center / width + T(0.5));
    }
    // The number to round to a code, in [-n, n].
    HOST_DEVICE T code(T x, T n) const {
        const T r = place(x);
        const T inside = clip ? (r < T(0) ? T(0) : (r > T(1) ? T(1) : r)) : r;
        return inside * sign(x) * n;
    }
};

template <class T>
HOST_DEVICE inline GradientTerms<T> qil_terms(T x, T dy, const QilInterval<T>& q) {
    const T r = q.place(x);
    const bool in = !q.clip || (r >= T(0) && r <= T(1));
    const T a = q.slope();
    const T d = in ? dy : T(0);
    const T directed = d * q.sign(x);
    return {d * a, -directed * a,
            -directed * T(0.5) * (q.magnitude(x) - q.center) / (q.width * q.width)};
}

struct QilElement {
    QilInterval<float> interval;
    HOST_DEVICE const QilElement& channel(int64_t) const { return *this; }
    HOST_DEVICE GradientTerms<float> operator()(float x, float dy) const {
        return qil_terms(x, dy, interval);
    }
};

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout,
                   const QilInterval<float>& interval, float* dx, float* dcenter, float* dwidth)>
    qil_backward;

}  // namespace gradus
