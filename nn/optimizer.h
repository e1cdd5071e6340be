// optimizer -- SGD and AdamW over the parameters of a graph, as PyTorch defines them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "nn/executor.h"

namespace gradus {

struct OptimizerOptions {
    std::string kind = "sgd";  // "sgd" or "adamw"
    float momentum = 0.9f;     // adamw: beta1
    bool nesterov = true;
    float weight_decay = 0.0f;  // for parameters with decay set; adamw: times their lr multiplier
    float beta2 = 0.999f;       // adamw
    float eps = 1e-8f;          // adamw
};

class Optimizer {
  public:
    explicit Optimizer(const OptimizerOptions& options);

    // Updates every parameter in `execution.leaves` that has a gradient. Parameters are
    // independent, so their order does not matter.
    void step(const Execution& execution, float lr);

    // Momentum buffers by name ("<parameter>.momentum", ".variance") and the step count, for
    // checkpoints; import replaces all state.
    std::map<std::string, Tensor> export_state() const;
    void import_state(const std::map<std::string, Tensor>& state);

  private:
    void update(Parameter& parameter, const Tensor& grad, float lr);
    Tensor& state_of(const std::string& name, const Tensor& like);

    OptimizerOptions options_;
    std::map<std::string, Tensor> state_;
    int64_t steps_ = 0;
};

}  // namespace gradus
