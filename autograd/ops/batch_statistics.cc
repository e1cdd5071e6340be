#include "tensor/kernels/batch_statistics.h"

#include "autograd/ops.h"
#include "autograd/ops/saved.h"

namespace gradus {

namespace {

// The number of rows of u seen as [rows, channels].
int64_t rows_of(const char* op, const Shape& u, const Tensor& running, bool training) {
    check(running.numel() == u[-1], op, ": the running average needs one value for each of the ",
          u[-1], " channels of ", u, ", got ", running.shape());
    const int64_t rows = u.numel() / u[-1];
    check(!training || rows > 1, op, ": training needs more than one value per channel, got ", u,
          "; use a larger --batch-size");
    return rows;
}

}  // namespace

// Copies the running average, which may be updated in place before its readers' backward pass.
Variable batch_mean(const Variable& u_variable, Tensor running_mean, float momentum,
                    bool training) {
    const Shape shape = u_variable.shape();
    const int64_t rows = rows_of("batch_mean", shape, running_mean, training);
    if (!training) return Variable(running_mean.clone());
    const Tensor u = u_variable.data();
    Tensor mean = Tensor::empty({shape[-1]}, DType::F32, u.device());
    batch_mean_forward(u.device(), {u.data<float>(), rows, shape[-1], momentum,
                                    running_mean.data<float>(), mean.data<float>()});
    return record("batch_mean", Variable(mean), {u_variable},
                  [shape, rows](const Tensor& dmean) -> Grads {
                      Tensor du = Tensor::empty(shape, DType::F32, dmean.device());
                      batch_mean_backward(dmean.device(), dmean.data<float>(), rows, shape[-1],
                                          du.data<float>());
                      return {du};
                  });
}

Variable batch_variance(const Variable& u_variable, Tensor running_var, float momentum,
                        bool training) {
    const Shape shape = u_variable.shape();
    const int64_t rows = rows_of("batch_variance", shape, running_var, training);
    if (!training) return Variable(running_var.clone());
    const Tensor u = u_variable.data();
    Tensor mean = Tensor::empty({shape[-1]}, DType::F32, u.device());
    Tensor variance = Tensor::empty({shape[-1]}, DType::F32, u.device());
    batch_variance_forward(
        u.device(),
        {u.data<float>(), rows, shape[-1], momentum, running_var.data<float>(), mean.data<float>()},
        variance.data<float>());
    return record("batch_variance", Variable(variance), {u_variable},
                  [saved = saved_value(u_variable), mean, rows](const Tensor& dy) -> Grads {
                      const Tensor u = saved.data();
                      Tensor du = Tensor::empty(u.shape(), DType::F32, u.device());
                      batch_variance_backward(u.device(), u.data<float>(), mean.data<float>(),
                                              dy.data<float>(), rows, u.shape()[-1],
                                              du.data<float>());
                      return {du};
                  });
}

}  // namespace gradus
