#include "tensor/kernels/add_axis.h"

#include "autograd/ops.h"

namespace gradus {

Variable add_axis(const Variable& x_variable, const Variable& b_variable, int axis) {
    const Tensor x = x_variable.data(), b = b_variable.data();
    const int at = axis < 0 ? axis + x.shape().rank() : axis;
    check(at >= 0 && at < x.shape().rank() && b.numel() == x.shape()[at], "add_axis: summand ",
          b.shape(), " does not fit axis ", axis, " of ", x.shape());
    const ChannelLayout layout = channel_layout(x.shape(), at);
    Tensor y = Tensor::empty(x.shape(), DType::F32, x.device());
    add_axis_forward(x.device(), layout, x.data<float>(), b.data<float>(), y.data<float>());
    return record("add_axis", Variable(y), {x_variable, b_variable},
                  [layout, shape = b.shape(),
                   want_db = b_variable.requires_grad()](const Tensor& dy) -> Grads {
                      if (!want_db) return {dy, Tensor()};
                      Tensor db = Tensor::empty(shape, DType::F32, dy.device());
                      add_axis_backward(dy.device(), layout, dy.data<float>(), db.data<float>());
                      return {dy, db};
                  });
}

}  // namespace gradus
