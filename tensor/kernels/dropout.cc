#include "tensor/kernels/dropout.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void dropout_forward_cpu(const Rng& rng, float p, const float* x, float* y, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { y[i] = dropout_value(x[i], rng.uniform(i), p); });
}

}  // namespace

constinit Kernel<void(const Rng&, float, const float*, float*, int64_t)> dropout_forward{
    "dropout_forward", dropout_forward_cpu};

}  // namespace gradus
