// batch_norm_fold -- the formulas that fold batch norm into the convolution before it
//                    factor = gamma / sqrt(var + eps)
//                    bias = beta + (conv_bias - mean) * factor
//                    ratio = sqrt(running_var + eps) / sqrt(batch_var + eps)
// shapes    all [channels]           dtype f32         (Jacob et al., CVPR 2018, equation 14;
//           the ratio: Krishnamoorthi, arXiv 1806.08342, section 3.2)
// gradient  dgamma = dfactor / sqrt(var + eps), dvar = -dfactor factor / (2 (var + eps)), both
//           gone where the factor is clamped; dbeta = dbias, dfactor = dbias (conv_bias - mean),
//           dconv_bias = dbias factor, dmean = -dbias factor;
//           dbatch_var = -dratio ratio / (2 (batch_var + eps)), running_var is a constant
// exactness exact: operations in the order written
// tests     tests/batch_norm_fold_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

// factor = gamma / sqrt(var + eps) with |factor| >= 1e-6 and the sign of gamma (+ for 0), so that
// it can be a divisor; its gradient is 0 if it was clamped.
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
template <class T>
HOST_DEVICE inline T fold_factor_var_slope(T gamma, T var, T eps, T dy) {
    const T factor = gamma / std::sqrt(var + eps);
    return std::fabs(factor) < T(1e-6) ? T(0) : -dy * factor / (T(2) * (var + eps));
}

template <class T>
HOST_DEVICE inline T deviation_ratio_value(T running_var, T batch_var, T eps) {
    return std::sqrt(running_var + eps) / std::sqrt(batch_var + eps);
}
template <class T>
HOST_DEVICE inline T deviation_ratio_slope(T running_var, T batch_var, T eps, T dy) {
    return -dy * deviation_ratio_value(running_var, batch_var, eps) / (T(2) * (batch_var + eps));
}

// bias = beta + (conv_bias - mean) * factor; conv_bias may be nullptr: 0.
template <class T>
HOST_DEVICE inline T fold_bias_value(T beta, T conv_bias, T mean, T factor) {
    return beta + (conv_bias - mean) * factor;
}

extern Kernel<void(const float* gamma, const float* var, float eps, float* factor, int64_t n)>
    fold_factor_forward;
extern Kernel<void(const float* gamma, const float* var, float eps, const float* dy, float* dgamma,
                   float* dvar, int64_t n)>
    fold_factor_backward;
extern Kernel<void(const float* beta, const float* conv_bias, const float* mean,
                   const float* factor, float* bias, int64_t n)>
    fold_bias_forward;
// The caller has dbeta = dy. nullptr: this gradient is not needed.
extern Kernel<void(const float* conv_bias, const float* mean, const float* factor, const float* dy,
                   float* dfactor, float* dconv_bias, float* dmean, int64_t n)>
    fold_bias_backward;

extern Kernel<void(const float* running_var, const float* batch_var, float eps, float* ratio,
                   int64_t n)>
    deviation_ratio_forward;
extern Kernel<void(const float* running_var, const float* batch_var, float eps, const float* dy,
                   float* dbatch_var, int64_t n)>
    deviation_ratio_backward;

}  // namespace gradus
