#include "tensor/kernels/axis_scale.h"

#include "autograd/ops.h"
#include "autograd/ops/saved.h"

namespace gradus {

namespace {

ChannelLayout axis_shape(const char* op, const Shape& x, const Shape& factor, int axis) {
    const int at = axis < 0 ? axis + x.rank() : axis;
    check(at >= 0 && at < x.rank() && factor.numel() == x[at], op, ": factor ", factor,
          " does not fit axis ", axis, " of ", x);
    return channel_layout(x, at);
}

Tensor scaled(const ChannelLayout& shape, const Tensor& x, const Tensor& f, bool divide) {
    Tensor y = Tensor::empty(x.shape(), DType::F32, x.device());
    axis_scale_forward(x.device(), shape, x.data<float>(), f.data<float>(), divide,
                       y.data<float>());
    return y;
}

Variable scale_axis(const char* op, const Variable& x, const Variable& factor, int axis,
                    bool divide) {
    const Tensor f = factor.data();
    const ChannelLayout shape = axis_shape(op, x.shape(), f.shape(), axis);
    const Tensor y = scaled(shape, x.data(), f, divide);
    // Saves the quotient rather than its dividend: batch norm, after it, saves the quotient too.
    const Variable saved = divide ? Variable(y) : saved_value(x);
    return record(op, Variable(y), {x, factor},
                  [=, want_dx = x.requires_grad(),
                   want_df = factor.requires_grad()](const Tensor& dy) -> Grads {
                      Tensor df;
                      if (want_df) {
                          const Tensor value = saved.data();
                          df = Tensor::empty(f.shape(), DType::F32, f.device());
                          axis_scale_factor_gradient(f.device(), shape, value.data<float>(),
                                                     f.data<float>(), divide, dy.data<float>(),
                                                     df.data<float>());
                      }
                      return {want_dx ? scaled(shape, dy, f, divide) : Tensor(), df};
                  });
}

}  // namespace

Variable multiply_axis(const Variable& x, const Variable& factor, int axis) {
    return scale_axis("multiply_axis", x, factor, axis, false);
}

Variable divide_axis(const Variable& x, const Variable& factor, int axis) {
    return scale_axis("divide_axis", x, factor, axis, true);
}

}  // namespace gradus
