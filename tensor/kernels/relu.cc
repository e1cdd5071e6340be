#include "tensor/kernels/relu.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

void relu_forward_cpu(const float* x, float* y, int64_t n) {
    for_each_cpu(n, ReluForward{x, y});
}
void relu_backward_cpu(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cpu(n, ReluBackward{y, dy, dx});
}
void relu6_forward_cpu(const float* x, float* y, int64_t n) {
    for_each_cpu(n, Relu6Forward{x, y});
}
void relu6_backward_cpu(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cpu(n, Relu6Backward{y, dy, dx});
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
