#include "tensor/kernels/relu.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void relu_forward_cpu(const float* x, float* y, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { y[i] = relu_value(x[i]); });
}
void relu_backward_cpu(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { dx[i] = relu_slope(y[i], dy[i]); });
}
void relu6_forward_cpu(const float* x, float* y, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { y[i] = relu6_value(x[i]); });
}
void relu6_backward_cpu(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cpu(n, [=](int64_t i) { dx[i] = relu6_slope(y[i], dy[i]); });
}

}  // namespace

constinit Kernel<void(const float*, float*, int64_t)> relu_forward{"relu_forward",
                                                                   relu_forward_cpu};
constinit Kernel<void(const float*, const float*, float*, int64_t)> relu_backward{
    "relu_backward", relu_backward_cpu};
constinit Kernel<void(const float*, float*, int64_t)> relu6_forward{"relu6_forward",
                                                                    relu6_forward_cpu};
constinit Kernel<void(const float*, const float*, float*, int64_t)> relu6_backward{
    "relu6_backward", relu6_backward_cpu};

}  // namespace gradus
