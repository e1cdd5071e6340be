// executor -- runs a graph node by node, every node an autograd operator.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "autograd/variable.h"
#include "nn/graph.h"
#include "tensor/rng.h"

namespace gradus {

struct RunMode {
    bool training = false;   // batch statistics, dropout
    bool gradients = false;  // record the tape for parameters that learn
    uint64_t step = 0;       // keys the random numbers of operators
    uint64_t seed = 0;
};

// Called after each node with its value; may replace the value that consumers read.
using Observe = std::function<void(const Node& node, Variable& value)>;

struct Execution {
    Variable output;
    // The variables of the parameters that learn; their grad() is filled by backward(loss).
    std::map<std::shared_ptr<Parameter>, Variable> leaves;
};

// Runs the whole graph on one batch. Values are freed after their last consumer.
Execution execute(const Graph& graph, const Tensor& batch, const RunMode& mode,
                  const Observe& observe = nullptr);

// Runs only the nodes that do not depend on the input: weights and biases in their final form.
void execute_constants(const Graph& graph, const Observe& observe);

// The first node, in order, whose value is not finite everywhere ("" if none): names the layer
// that diverged. Parameters count as nodes.
std::string first_non_finite(const Graph& graph, const Tensor& batch, const RunMode& mode);

}  // namespace gradus
