// dsq -- differentiable soft quantization, the gradient of the soft staircase.
// source     Gong et al., ICCV 2019 (arXiv 1908.05033); MQBench 2.5
//
//   v = x/s + z,  f = floor(clip(v, qmin, qmax)),  t = tanh(K (v - f - 1/2))
//   dx = dy [qmin <= v <= qmax] sigma K / 2 (1 - t^2)
//   alpha = 0.4: sigma = 1 / (1 - alpha) = 5/3, K = ln(2/alpha - 1) = ln 4
//
// shapes     x, dy, dx [outer, channels, inner]; scale, zero_point [channels]
// exactness  rounded: tanh in float
// tests      tests/dsq_test.cc
#pragma once

#include "quant/numerics.h"
#include "quant/quantize_codes.h"
#include "tensor/channel_layout.h"

namespace gradus {

constexpr double kDsqAlpha = 0.4;
constexpr double kDsqSigma = 1.0 / (1.0 - kDsqAlpha);
constexpr double kDsqSharpness = 1.3862943611198906;  // ln(2 / alpha - 1)

// The slope of the soft staircase at v.
template <class T>
HOST_DEVICE inline T dsq_slope(T v, T qmin, T qmax) {
    if (!(v >= qmin && v <= qmax)) return T(0);
    const T t = static_cast<T>(tanh(T(kDsqSharpness) * (v - round_down(v) - T(0.5))));
    return T(0.5 * kDsqSigma * kDsqSharpness) * (T(1) - t * t);
}

struct DsqBackward {
    const float* x;
    const float* dy;
    ChannelLayout layout;
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    float* dx;
    HOST_DEVICE void operator()(int64_t i) const {
        const int64_t c = i / layout.inner % layout.channels;
        const float v = x[i] / scale[c] + static_cast<float>(zero_point[c]);
        dx[i] =
            dy[i] * dsq_slope(v, static_cast<float>(range.qmin), static_cast<float>(range.qmax));
    }
};

extern Kernel<void(const float* x, const float* dy, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const CodeRange& range, float* dx)>
    dsq_backward;

}  // namespace gradus
