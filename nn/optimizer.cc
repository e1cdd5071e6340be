#include "nn/optimizer.h"

#include <cmath>

#include "tensor/check.h"
#include "tensor/kernels/adamw.h"
#include "tensor/kernels/sgd.h"

namespace gradus {

Optimizer::Optimizer(const OptimizerOptions& options) : options_(options) {
    check_kind(options.kind == "sgd" || options.kind == "adamw", ErrorKind::usage,
               "no optimizer is called ", options.kind, "; there are: sgd adamw");
}

Tensor& Optimizer::state_of(const std::string& name, const Tensor& like) {
    Tensor& state = state_[name];
    if (!state.defined()) state = Tensor::zeros(like.shape(), DType::F32, like.device());
    return state;
}
