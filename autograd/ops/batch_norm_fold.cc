#include "tensor/kernels/batch_norm_fold.h"

#include "autograd/ops.h"

namespace gradus {

Variable batch_norm_scale(const Variable& gamma_variable, const Tensor& running_var, float eps) {
    const Tensor gamma = gamma_variable.data();
    check(gamma.numel() == running_var.numel(), "batch_norm_scale: gamma ", gamma.shape(),
          " and running_var ", running_var.shape(), " must have one value per channel");
    Tensor factor = Tensor::empty(gamma.shape(), DType::F32, gamma.device());
    fold_factor_forward(gamma.device(), gamma.data<float>(), running_var.data<float>(), eps,
                        factor.data<float>(), gamma.numel());
    // running_var may be updated in place before backward reads it.
    return record("batch_norm_scale", Variable(factor), {gamma_variable},
                  [gamma, var = running_var.clone(), eps](const Tensor& dy) -> Grads {
                      Tensor dgamma = Tensor::empty(gamma.shape(), DType::F32, gamma.device());
                      fold_factor_backward(gamma.device(), gamma.data<float>(), var.data<float>(),
                                           eps, dy.data<float>(), dgamma.data<float>(),
                                           gamma.numel());
                      return {dgamma};
                  });
}

Variable batch_norm_bias(const Variable& beta_variable, const Tensor& running_mean,
                         const Variable& scale, const Variable& bias) {
    const Tensor beta = beta_variable.data(), factor = scale.data();
    const Tensor conv_bias = bias.defined() ? bias.data() : Tensor();
    const int64_t n = beta.numel();
    check(running_mean.numel() == n && factor.numel() == n &&
              (!bias.defined() || conv_bias.numel() == n),
          "batch_norm_bias: beta ", beta.shape(), ", running_mean ", running_mean.shape(),
          ", scale ", factor.shape(), " and the bias must have one value per channel");
    const auto bias_data = [](const Tensor& t) { return t.defined() ? t.data<float>() : nullptr; };
    Tensor folded = Tensor::empty(beta.shape(), DType::F32, beta.device());
    fold_bias_forward(beta.device(), beta.data<float>(), bias_data(conv_bias),
                      running_mean.data<float>(), factor.data<float>(), folded.data<float>(), n);
    return record("batch_norm_bias", Variable(folded), {beta_variable, scale, bias},
                  [=, mean = running_mean.clone()](const Tensor& dy) -> Grads {
                      Tensor dfactor = Tensor::empty(factor.shape(), DType::F32, dy.device());
                      Tensor dbias = conv_bias.defined()
                                         ? Tensor::empty(factor.shape(), DType::F32, dy.device())
                                         : Tensor();
                      fold_bias_backward(dy.device(), bias_data(conv_bias), mean.data<float>(),
                                         factor.data<float>(), dy.data<float>(),
                                         dfactor.data<float>(),
                                         dbias.defined() ? dbias.data<float>() : nullptr, n);
                      return {dy, dfactor, dbias};
                  });
}

}  // namespace gradus
