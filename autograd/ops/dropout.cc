#include "tensor/kernels/dropout.h"

#include "autograd/ops.h"

namespace gradus {

namespace {

Tensor dropped(const Rng& rng, float p, const Tensor& x) {
    Tensor y = Tensor::empty(x.shape(), DType::F32, x.device());
    dropout_forward(x.device(), rng, p, x.data<float>(), y.data<float>(), x.numel());
    return y;
}

}  // namespace

Variable dropout(const Variable& x, float p, const Rng& rng, bool training) {
    check(p >= 0.0f && p <= 1.0f, "dropout: p must be in [0, 1], got ", p);
    if (!training || p == 0.0f) return x;
    return record("dropout", Variable(dropped(rng, p, x.data())), {x},
                  [=](const Tensor& dy) -> Grads { return {dropped(rng, p, dy)}; });
}

}  // namespace gradus
