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

void Optimizer::step(const Execution& execution, float lr) {
    ++steps_;
    for (const auto& [parameter, leaf] : execution.leaves) {
        const Tensor& grad = leaf.grad();
        if (!grad.defined()) continue;
        update(*parameter, grad, lr * parameter->lr_multiplier);
    }
}

void Optimizer::update(Parameter& parameter, const Tensor& grad, float lr) {
    Tensor& w = parameter.value;
    const float decay =
        parameter.decay ? parameter.weight_decay.value_or(options_.weight_decay) : 0.0f;
    Tensor& m = state_of(parameter.name + ".momentum", w);
    if (options_.kind == "sgd") {
        const SgdAttrs attrs{lr, options_.momentum, decay, options_.nesterov};
        return sgd_step(w.device(), attrs, grad.data<float>(), m.data<float>(), w.data<float>(),
                        w.numel());
    }
    Tensor& v = state_of(parameter.name + ".variance", w);
    const double t = static_cast<double>(steps_);
    const AdamwAttrs attrs{lr,
                           options_.momentum,
                           options_.beta2,
                           options_.eps,
                           decay,
                           static_cast<float>(1.0 - std::pow(options_.momentum, t)),
                           static_cast<float>(std::sqrt(1.0 - std::pow(options_.beta2, t)))};
    adamw_step(w.device(), attrs, grad.data<float>(), m.data<float>(), v.data<float>(),
               w.data<float>(), w.numel());
}

std::map<std::string, Tensor> Optimizer::export_state() const {
    std::map<std::string, Tensor> state = state_;
    state["steps"] = Tensor::from(std::vector<int64_t>{steps_}, {1});
    return state;
}

void Optimizer::import_state(const std::map<std::string, Tensor>& state) {
    state_ = state;
    const auto steps = state_.find("steps");
    check(steps != state_.end(), "optimizer: the state has no step count");
    steps_ = steps->second.data<int64_t>()[0];
    state_.erase("steps");
}

}  // namespace gradus
