#include "tensor/kernels/batch_norm_fold.h"

namespace gradus {

namespace {

void fold_factor_forward_cpu(const float* gamma, const float* var, float eps, float* factor,
                             int64_t n) {
    for (int64_t i = 0; i < n; ++i) factor[i] = fold_factor_value(gamma[i], var[i], eps);
}

void fold_factor_backward_cpu(const float* gamma, const float* var, float eps, const float* dy,
                              float* dgamma, float* dvar, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        dgamma[i] = fold_factor_slope(gamma[i], var[i], eps, dy[i]);
        if (dvar) dvar[i] = fold_factor_var_slope(gamma[i], var[i], eps, dy[i]);
    }
}

void fold_bias_forward_cpu(const float* beta, const float* conv_bias, const float* mean,
                           const float* factor, float* bias, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        bias[i] = fold_bias_value(beta[i], conv_bias ? conv_bias[i] : 0.0f, mean[i], factor[i]);
    }
}

void fold_bias_backward_cpu(const float* conv_bias, const float* mean, const float* factor,
                            const float* dy, float* dfactor, float* dconv_bias, float* dmean,
                            int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        dfactor[i] = dy[i] * ((conv_bias ? conv_bias[i] : 0.0f) - mean[i]);
        if (dconv_bias) dconv_bias[i] = dy[i] * factor[i];
        if (dmean) dmean[i] = -dy[i] * factor[i];
    }
}

void deviation_ratio_forward_cpu(const float* running_var, const float* batch_var, float eps,
                                 float* ratio, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        ratio[i] = deviation_ratio_value(running_var[i], batch_var[i], eps);
    }
}

void deviation_ratio_backward_cpu(const float* running_var, const float* batch_var, float eps,
                                  const float* dy, float* dbatch_var, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        dbatch_var[i] = deviation_ratio_slope(running_var[i], batch_var[i], eps, dy[i]);
    }
}

}  // namespace

constinit Kernel<void(const float*, const float*, float, float*, int64_t)> fold_factor_forward{
    "fold_factor_forward", fold_factor_forward_cpu};
constinit Kernel<void(const float*, const float*, float, const float*, float*, float*, int64_t)>
    fold_factor_backward{"fold_factor_backward", fold_factor_backward_cpu};
constinit Kernel<void(const float*, const float*, const float*, const float*, float*, int64_t)>
    fold_bias_forward{"fold_bias_forward", fold_bias_forward_cpu};
constinit Kernel<void(const float*, const float*, const float*, const float*, float*, float*,
                      float*, int64_t)>
    fold_bias_backward{"fold_bias_backward", fold_bias_backward_cpu};
constinit Kernel<void(const float*, const float*, float, float*, int64_t)> deviation_ratio_forward{
    "deviation_ratio_forward", deviation_ratio_forward_cpu};
constinit Kernel<void(const float*, const float*, float, const float*, float*, int64_t)>
    deviation_ratio_backward{"deviation_ratio_backward", deviation_ratio_backward_cpu};

}  // namespace gradus
