#include "tensor/kernels/relu.h"

#include <algorithm>

#include "autograd/ops.h"
#include "autograd/ops/saved.h"

namespace gradus {

namespace {

using Forward = Kernel<void(const float*, float*, int64_t)>;
using Slope = Kernel<void(const float*, const float*, float*, int64_t)>;

Tensor masked(const Slope& slope, const Tensor& y, const Tensor& dy) {
    Tensor dx = Tensor::empty(y.shape(), DType::F32, y.device());
    slope(y.device(), y.data<float>(), dy.data<float>(), dx.data<float>(), y.numel());
    return dx;
}

// Leaves the clamp to the reader of the value. The values before and after the clamp agree on where
// it acts: both are inside (0, upper) or both are not.
Variable clamp_exact(const char* op, const Slope& slope, const Variable& x, float upper) {
    Exact y = *x.exact();
    y.lower = std::clamp(y.lower, 0.0f, upper);
    y.upper = std::clamp(y.upper, 0.0f, upper);
    return record(op, Variable(std::move(y)), {x},
                  [x = saved_value(x), &slope](const Tensor& dy) -> Grads {
                      return {masked(slope, x.data(), dy)};
                  });
}

Variable clamp_float(const char* op, const Forward& forward, const Slope& slope,
                     const Variable& x_variable) {
    const Tensor x = x_variable.data();
    Tensor y = Tensor::empty(x.shape(), DType::F32, x.device());
    forward(x.device(), x.data<float>(), y.data<float>(), x.numel());
    return record(op, Variable(y), {x_variable},
                  [y, &slope](const Tensor& dy) -> Grads { return {masked(slope, y, dy)}; });
}

}  // namespace

Variable relu(const Variable& x) {
    if (x.exact()) {
        return clamp_exact("relu", relu_backward, x, std::numeric_limits<float>::infinity());
    }
    return clamp_float("relu", relu_forward, relu_backward, x);
}

Variable relu6(const Variable& x) {
    if (x.exact()) return clamp_exact("relu6", relu6_backward, x, 6.0f);
    return clamp_float("relu6", relu6_forward, relu6_backward, x);
}

}  // namespace gradus
