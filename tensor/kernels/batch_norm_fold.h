// batch_norm_fold -- the two formulas that fold batch norm into the convolution before it
//                    factor = gamma / sqrt(running_var + eps)
//                    bias = beta + (conv_bias - running_mean) * factor
// shapes    all [channels]           dtype f32         (Jacob et al., CVPR 2018, equation 14)
// gradient  dgamma = dfactor / sqrt(running_var + eps); dbeta = dbias,
//           dfactor = dbias (conv_bias - mean), dconv_bias = dbias factor
// exactness exact: operations in the order written
// tests     tests/batch_norm_fold_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

// factor = gamma / sqrt(var + eps) with |factor| >= 1e-6 and the sign of gamma (+ for 0), so that
// it can be divided by; its gradient is gone where it was clamped.
template <class T>
HOST_DEVICE inline T fold_factor_value(T gamma, T var, T eps) {
    const T factor = gamma / std::sqrt(var + eps);
    return gamma < T(0) ? (factor > T(-1e-6) ? T(-1e-6) : factor)
                        : (factor < T(1e-6) ? T(1e-6) : factor);
}
template <class T>
HOST_DEVICE inline T fold_factor_slope(T gamma, T var, T eps, T dy) {
    const T factor = gamma / std::sqrt(var + eps);
    return std::fabs(factor) < T(1e-6) ? T(0) : dy / std::sqrt(var + eps);
}

// bias = beta + (conv_bias - mean) * factor; conv_bias may be nullptr: 0.
template <class T>
HOST_DEVICE inline T fold_bias_value(T beta, T conv_bias, T mean, T factor) {
    return beta + (conv_bias - mean) * factor;
}

extern Kernel<void(const float* gamma, const float* var, float eps, float* factor, int64_t n)>
    fold_factor_forward;
extern Kernel<void(const float* gamma, const float* var, float eps, const float* dy, float* dgamma,
                   int64_t n)>
    fold_factor_backward;
extern Kernel<void(const float* beta, const float* conv_bias, const float* mean,
                   const float* factor, float* bias, int64_t n)>
    fold_bias_forward;
// dbeta = dy is the caller's; dfactor = dy (conv_bias - mean), dconv_bias = dy factor.
extern Kernel<void(const float* conv_bias, const float* mean, const float* factor, const float* dy,
                   float* dfactor, float* dconv_bias, int64_t n)>
    fold_bias_backward;

}  // namespace gradus
