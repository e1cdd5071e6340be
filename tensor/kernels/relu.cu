#include "tensor/for_each_cuda.cuh"
#include "tensor/kernels/relu.h"

namespace gradus {

namespace {

void relu_forward_cuda(const float* x, float* y, int64_t n) {
    for_each_cuda(n, ReluForward{x, y});
}
void relu_backward_cuda(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cuda(n, ReluBackward{y, dy, dx});
}
void relu6_forward_cuda(const float* x, float* y, int64_t n) {
    for_each_cuda(n, Relu6Forward{x, y});
}
void relu6_backward_cuda(const float* y, const float* dy, float* dx, int64_t n) {
    for_each_cuda(n, Relu6Backward{y, dy, dx});
}

const OnCuda relu_forward_on_cuda{relu_forward, relu_forward_cuda};
const OnCuda relu_backward_on_cuda{relu_backward, relu_backward_cuda};
const OnCuda relu6_forward_on_cuda{relu6_forward, relu6_forward_cuda};
const OnCuda relu6_backward_on_cuda{relu6_backward, relu6_backward_cuda};

}  // namespace

}  // namespace gradus
