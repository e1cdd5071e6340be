#include "tensor/kernels/softmax_cross_entropy.h"

#include "autograd/ops.h"

namespace gradus {

namespace {

void check_labels(const Tensor& labels, int64_t classes) {
    const Tensor host = labels.to(Device::cpu());
    const int64_t* label = host.data<int64_t>();
    for (int64_t i = 0; i < host.numel(); ++i) {
        check_kind(label[i] >= 0 && label[i] < classes, ErrorKind::data,
                   "softmax_cross_entropy: label ", label[i], " of sample ", i, " is outside [0, ",
                   classes, "); use a matching --num-classes or other data");
    }
}

}  // namespace

Variable softmax_cross_entropy(const Variable& logits_variable, const Tensor& labels,
                               float smoothing) {
    const Tensor logits = logits_variable.data();
    check(logits.shape().rank() == 2 && labels.shape() == Shape{logits.shape()[0]} &&
              logits.numel() > 0,
          "softmax_cross_entropy: needs logits [N, K] and labels [N], got ", logits.shape(),
          " and ", labels.shape());
    check(smoothing >= 0.0f && smoothing <= 1.0f,
          "softmax_cross_entropy: smoothing must be in [0, 1], got ", smoothing);
    const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
    check_labels(labels, classes);
    Tensor lse = Tensor::empty({rows}, DType::F64, logits.device());
    Tensor loss = Tensor::empty({1}, DType::F32, logits.device());
    softmax_cross_entropy_forward(
        logits.device(),
        CrossEntropyForward{logits.data<float>(), labels.data<int64_t>(), rows, classes, smoothing,
                            lse.data<double>(), loss.data<float>()});
    const auto gradient = [logits, labels, lse, smoothing, rows,
                           classes](const Tensor& dy) -> Grads {
        Tensor dlogits = Tensor::empty(logits.shape(), DType::F32, logits.device());
        softmax_cross_entropy_backward(
            logits.device(), CrossEntropyBackward{logits.data<float>(), labels.data<int64_t>(),
                                                  rows, classes, smoothing, lse.data<double>(),
                                                  dy.data<float>(), dlogits.data<float>()});
        return {dlogits};
    };
    return record("softmax_cross_entropy", Variable(loss), {logits_variable}, gradient);
}

}  // namespace gradus
