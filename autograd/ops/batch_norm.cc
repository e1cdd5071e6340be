#include "tensor/kernels/batch_norm.h"

#include "autograd/ops.h"
#include "autograd/ops/saved.h"

namespace gradus {

namespace {

void check_channels(const Shape& x, const Tensor& parameter, const char* name) {
    check(parameter.numel() == x[-1], "batch_norm: ", name, " needs one value for each of the ",
          x[-1], " channels of ", x, ", got ", parameter.shape());
}

Grads gradients(const Variable& x_saved, const Tensor& gamma, const Tensor& mean,
                const Tensor& inv_std, bool want_dx, bool training, const Tensor& dy) {
    const Tensor x = x_saved.data();
    Tensor dx = want_dx ? Tensor::empty(x.shape(), DType::F32, x.device()) : Tensor();
    Tensor dgamma = Tensor::empty(gamma.shape(), DType::F32, x.device());
    Tensor dbeta = Tensor::empty(gamma.shape(), DType::F32, x.device());
    const int64_t channels = x.shape()[-1];
    const BatchNormBackward pass{x.data<float>(),
                                 dy.data<float>(),
                                 gamma.data<float>(),
                                 mean.data<float>(),
                                 inv_std.data<float>(),
                                 x.numel() / channels,
                                 channels,
                                 want_dx ? dx.data<float>() : nullptr,
                                 dgamma.data<float>(),
                                 dbeta.data<float>()};
    (training ? batch_norm_backward : batch_norm_eval_backward)(x.device(), pass);
    return {dx, dgamma, dbeta};
}

}  // namespace

Variable batch_norm(const Variable& x_variable, const Variable& gamma_variable,
                    const Variable& beta_variable, Tensor running_mean, Tensor running_var,
                    const BatchNormAttrs& attrs, bool training) {
    const Tensor x = x_variable.data();
    const Tensor gamma = gamma_variable.data(), beta = beta_variable.data();
    check_channels(x.shape(), gamma, "gamma");
    check_channels(x.shape(), beta, "beta");
    check_channels(x.shape(), running_mean, "running_mean");
    check_channels(x.shape(), running_var, "running_var");
    const int64_t channels = x.shape()[-1];
    const int64_t rows = x.numel() / channels;
    check(!training || rows > 1, "batch_norm: training needs more than one value per channel, got ",
          x.shape(), "; use a larger --batch-size");
    Tensor mean = Tensor::empty({channels}, DType::F32, x.device());
    Tensor inv_std = Tensor::empty({channels}, DType::F32, x.device());
    Tensor y = Tensor::empty(x.shape(), DType::F32, x.device());
    const BatchNormForward pass{x.data<float>(),
                                gamma.data<float>(),
                                beta.data<float>(),
                                running_mean.data<float>(),
                                running_var.data<float>(),
                                rows,
                                channels,
                                attrs.eps,
                                attrs.momentum,
                                mean.data<float>(),
                                inv_std.data<float>(),
                                y.data<float>()};
    (training ? batch_norm_forward : batch_norm_eval_forward)(x.device(), pass);
    return record("batch_norm", Variable(y), {x_variable, gamma_variable, beta_variable},
                  [x = saved_value(x_variable), gamma, mean, inv_std, training,
                   want_dx = x_variable.requires_grad()](const Tensor& dy) {
                      return gradients(x, gamma, mean, inv_std, want_dx, training, dy);
                  });
}

}  // namespace gradus
