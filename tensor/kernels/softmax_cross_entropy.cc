#include "tensor/kernels/softmax_cross_entropy.h"

namespace gradus {

namespace {

// One thread is enough: a batch of logits is a few thousand numbers.
void softmax_cross_entropy_forward_cpu(const CrossEntropyForward& p) {
    *p.loss = softmax_cross_entropy_forward_readable(p.logits, p.labels, p.rows, p.classes,
                                                     double{p.smoothing}, p.lse);
}

void softmax_cross_entropy_backward_cpu(const CrossEntropyBackward& p) {
    softmax_cross_entropy_backward_readable(p.logits, p.labels, p.rows, p.classes,
                                            double{p.smoothing}, p.lse, *p.dy, p.dlogits);
}

}  // namespace

constinit Kernel<void(const CrossEntropyForward&)> softmax_cross_entropy_forward{
    "softmax_cross_entropy_forward", softmax_cross_entropy_forward_cpu};
constinit Kernel<void(const CrossEntropyBackward&)> softmax_cross_entropy_backward{
    "softmax_cross_entropy_backward", softmax_cross_entropy_backward_cpu};

}  // namespace gradus
