#include "tensor/kernels/batch_norm_fold.h"

#include "autograd/ops.h"

namespace gradus {

namespace {

const float* data_of(const Tensor& t) {
    return t.defined() ? t.data<float>() : nullptr;
}
float* data_of(Tensor& t) {
    return t.defined() ? t.data<float>() : nullptr;
}

// Allocates a gradient; undefined if it is not needed.
Tensor gradient_of(bool wanted, const Tensor& like) {
    return wanted ? Tensor::empty(like.shape(), DType::F32, like.device()) : Tensor();
}

}  // namespace

// Copies the statistics, which may be updated in place before the backward pass reads them.

Variable batch_norm_scale(const Variable& gamma_variable, const Variable& var_variable, float eps) {
    const Tensor gamma = gamma_variable.data(), var = var_variable.data();
    check(gamma.numel() == var.numel(), "batch_norm_scale: gamma ", gamma.shape(), " and var ",
          var.shape(), " must have one value per channel");
    Tensor factor = Tensor::empty(gamma.shape(), DType::F32, gamma.device());
    fold_factor_forward(gamma.device(), gamma.data<float>(), var.data<float>(), eps,
                        factor.data<float>(), gamma.numel());
    return record("batch_norm_scale", Variable(factor), {gamma_variable, var_variable},
                  [gamma, var = var.clone(), eps,
                   want_dvar = var_variable.requires_grad()](const Tensor& dy) -> Grads {
                      Tensor dgamma = gradient_of(true, gamma), dvar = gradient_of(want_dvar, var);
                      fold_factor_backward(gamma.device(), gamma.data<float>(), var.data<float>(),
                                           eps, dy.data<float>(), dgamma.data<float>(),
                                           data_of(dvar), gamma.numel());
                      return {dgamma, dvar};
                  });
}

Variable batch_norm_bias(const Variable& beta_variable, const Variable& mean_variable,
                         const Variable& scale, const Variable& bias) {
    const Tensor beta = beta_variable.data(), mean = mean_variable.data(), factor = scale.data();
    const Tensor conv_bias = bias.defined() ? bias.data() : Tensor();
    const int64_t n = beta.numel();
    check(mean.numel() == n && factor.numel() == n && (!bias.defined() || conv_bias.numel() == n),
          "batch_norm_bias: beta ", beta.shape(), ", mean ", mean.shape(), ", scale ",
          factor.shape(), " and the bias must have one value per channel");
    Tensor folded = Tensor::empty(beta.shape(), DType::F32, beta.device());
    fold_bias_forward(beta.device(), beta.data<float>(), data_of(conv_bias), mean.data<float>(),
                      factor.data<float>(), folded.data<float>(), n);
    return record("batch_norm_bias", Variable(folded), {beta_variable, mean_variable, scale, bias},
                  [=, mean = mean.clone(),
                   want_dmean = mean_variable.requires_grad()](const Tensor& dy) -> Grads {
                      Tensor dfactor = gradient_of(true, factor);
                      Tensor dbias = gradient_of(conv_bias.defined(), factor);
                      Tensor dmean = gradient_of(want_dmean, factor);
                      fold_bias_backward(dy.device(), data_of(conv_bias), mean.data<float>(),
                                         factor.data<float>(), dy.data<float>(),
                                         dfactor.data<float>(), data_of(dbias), data_of(dmean), n);
                      return {dy, dmean, dfactor, dbias};
                  });
}

Variable deviation_ratio(const Tensor& running_var, const Variable& batch_variable, float eps) {
    const Tensor batch_var = batch_variable.data();
    const int64_t n = batch_var.numel();
    check(running_var.numel() == n, "deviation_ratio: running_var ", running_var.shape(),
          " and batch_var ", batch_var.shape(), " must have one value per channel");
    Tensor ratio = Tensor::empty(batch_var.shape(), DType::F32, batch_var.device());
    deviation_ratio_forward(ratio.device(), running_var.data<float>(), batch_var.data<float>(), eps,
                            ratio.data<float>(), n);
    return record("deviation_ratio", Variable(ratio), {batch_variable},
                  [=, running = running_var.clone()](const Tensor& dy) -> Grads {
                      Tensor dvar = gradient_of(true, batch_var);
                      deviation_ratio_backward(dy.device(), running.data<float>(),
                                               batch_var.data<float>(), eps, dy.data<float>(),
                                               dvar.data<float>(), n);
                      return {dvar};
                  });
}

}  // namespace gradus
