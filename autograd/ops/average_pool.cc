#include "tensor/kernels/average_pool.h"

#include "autograd/ops.h"

namespace gradus {

Variable average_pool2d(const Variable& x_variable, const PoolAttrs& attrs) {
    const PoolShape shape = pool_shape("average_pool2d", x_variable.shape(), attrs);
    const Tensor x = x_variable.data();
    Tensor y = Tensor::empty(shape.output(), DType::F32, x.device());
    average_pool_forward(x.device(), shape, x.data<float>(), y.data<float>());
    return record("average_pool2d", Variable(y), {x_variable}, [shape](const Tensor& dy) -> Grads {
        Tensor dx = Tensor::empty({shape.n, shape.h, shape.w, shape.c}, DType::F32, dy.device());
        average_pool_backward(dy.device(), shape, dy.data<float>(), dx.data<float>());
        return {dx};
    });
}

}  // namespace gradus
