#include "tensor/kernels/add.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void add_forward_cpu(const float* a, const float* b, float* y, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { y[i] = add_value(a[i], b[i]); });
}

}  // namespace

constinit Kernel<void(const float*, const float*, float*, int64_t)> add_forward{"add_forward",
                                                                                add_forward_cpu};

}  // namespace gradus
