#include "nn/executor.h"

#include <algorithm>
#include <cmath>

#include "nn/operators.h"
#include "tensor/check.h"

namespace gradus {

namespace {

class Runner {
  public:
    Runner(const Graph& graph, const RunMode& mode, const Observe& observe)
        : graph_(graph),
          mode_(mode),
          observe_(observe),
          values_(graph.nodes().size()),
          remaining_(graph.nodes().size(), 0) {
        for (const Node& node : graph.nodes()) {
            for (int input : node.inputs) {
                if (input >= 0) ++remaining_[input];
            }
        }
    }

    // `batch` undefined: skips nodes that depend on the input.
    Execution run(const Tensor& batch) {
        Execution execution;
        for (size_t id = 0; id < values_.size(); ++id) {
            const Node& node = graph_.node(static_cast<int>(id));
            values_[id] = evaluate(node, id, batch, execution);
            if (!values_[id].defined()) continue;
            if (observe_) observe_(node, values_[id]);
            release_inputs(node);
        }
        execution.output = values_.at(graph_.output());
        return execution;
    }

  private:
    Variable evaluate(const Node& node, size_t id, const Tensor& batch, Execution& execution) {
        if (node.kind == NodeKind::input) return batch.defined() ? Variable(batch) : Variable();
        if (node.kind == NodeKind::parameter) {
            const bool learns = mode_.gradients && node.parameter->trainable;
            const Variable leaf(node.parameter->value, learns);
            if (learns) execution.leaves[node.parameter] = leaf;
            return leaf;
        }
        std::vector<Variable> inputs;
        for (int input : node.inputs) {
            inputs.push_back(input < 0 ? Variable() : values_[input]);
            if (input >= 0 && !inputs.back().defined()) return Variable();
        }
        const Rng rng = Rng(mode_.seed).split("operator").split(mode_.step).split(id);
        return find_operator(node.op).run({node, mode_.training, rng}, inputs);
    }

    void release_inputs(const Node& node) {
        for (int input : node.inputs) {
            if (input >= 0 && --remaining_[input] == 0 && input != graph_.output()) {
                values_[input] = Variable();
            }
        }
    }

    const Graph& graph_;
    const RunMode& mode_;
    const Observe& observe_;
    std::vector<Variable> values_;
    std::vector<int> remaining_;
};

bool all_finite(const Tensor& values) {
    if (values.dtype() != DType::F32) return true;
    const float* x = values.data<float>();
    return std::all_of(x, x + values.numel(), [](float v) { return std::isfinite(v); });
}

}  // namespace

Execution execute(const Graph& graph, const Tensor& batch, const RunMode& mode,
                  const Observe& observe) {
    return Runner(graph, mode, observe).run(batch);
}

void execute_constants(const Graph& graph, const Observe& observe) {
    Runner(graph, RunMode{}, observe).run(Tensor());
}

std::string first_non_finite(const Graph& graph, const Tensor& batch, const RunMode& mode) {
    std::string name;
    execute(graph, batch, mode, [&](const Node& node, const Variable& value) {
        if (name.empty() && !all_finite(value.data())) name = node.name;
    });
    return name;
}

}  // namespace gradus
