#include "tensor/kernels/adamw.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void adamw_step_cpu(const AdamwAttrs& attrs, const float* grad, float* m, float* v, float* w,
                    int64_t n) {
    for_each_cpu(n, [=, &attrs](int64_t i) { adamw_value(attrs, grad[i], m[i], v[i], w[i]); });
}

}  // namespace

constinit Kernel<void(const AdamwAttrs&, const float*, float*, float*, float*, int64_t)> adamw_step{
    "adamw_step", adamw_step_cpu};

}  // namespace gradus
