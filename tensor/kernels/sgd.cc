#include "tensor/kernels/sgd.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void sgd_step_cpu(const SgdAttrs& a, const float* grad, float* m, float* w, int64_t n) {
    check(m || a.momentum == 0.0f, "sgd: momentum needs its buffer");
    const auto step = [=](float* buffer, int64_t i) {
        sgd_value(grad[i], a.lr, a.momentum, a.weight_decay, a.nesterov, *buffer, w[i]);
    };
    if (m) {
        for_each_cpu(n, [=](int64_t i) { step(m + i, i); });
    } else {
        for_each_cpu(n, [=](int64_t i) {
            float none = 0.0f;
            step(&none, i);
        });
    }
}

}  // namespace

constinit Kernel<void(const SgdAttrs&, const float*, float*, float*, int64_t)> sgd_step{
    "sgd_step", sgd_step_cpu};

}  // namespace gradus
