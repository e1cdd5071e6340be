#include "tensor/kernels/max_pool.h"

#include "autograd/ops.h"

namespace gradus {

Variable max_pool2d(const Variable& x_variable, const PoolAttrs& attrs) {
    const PoolShape shape = pool_shape("max_pool2d", x_variable.shape(), attrs);
    const bool codes = x_variable.exact() && x_variable.exact()->is_codes();
    const Tensor x = codes ? x_variable.exact()->terms[0].codes : x_variable.data();
    Tensor pooled = Tensor::empty(shape.output(), x.dtype(), x.device());
    max_pool_forward(x.device(), shape, x.dtype(), x.raw(), pooled.raw());
    Variable y(pooled);
    if (codes) {
        Affine value = x_variable.exact()->terms[0];
        value.codes = pooled;
        y = Variable(Exact{{value}});
    }
    return record("max_pool2d", y, {x_variable}, [x, shape](const Tensor& dy) -> Grads {
        Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
        max_pool_backward(x.device(), shape, x.dtype(), x.raw(), dy.data<float>(),
                          dx.data<float>());
        return {dx};
    });
}

}  // namespace gradus
