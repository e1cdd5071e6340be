// graph -- the network: nodes in topological order, inputs, parameters and operators alike.
//
// Weights are nodes, so a weight is quantized like an activation, and folding batch norm is a
// rewrite made of ordinary operators. Names are those of the checkpoints (torchvision's).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "nn/attributes.h"
#include "tensor/tensor.h"

namespace gradus {

// Stored numbers: learned, or buffers (running statistics). Graphs that are rewritten from each
// other share them.
struct Parameter {
    std::string name;
    Tensor value;
    bool trainable = true;
    bool decay = true;      // weight decay applies
    bool positive = false;  // values of zero or below are faults, and reported (scales)
    float lr_multiplier = 1.0f;
    std::optional<float> weight_decay;  // instead of the optimizer's
};

enum class NodeKind { input, parameter, op };

// State of an operator beyond attributes and inputs (a quantizer); shared by graphs.
struct NodePayload {
    virtual ~NodePayload() = default;
    virtual std::string describe() const = 0;
};

struct Node {
    std::string name;
    NodeKind kind = NodeKind::op;
    std::string op;           // the operator's row in the table, for kind op
    std::vector<int> inputs;  // node ids; -1: an absent optional input
    Attributes attributes;
    std::shared_ptr<Parameter> parameter;
    std::shared_ptr<NodePayload> payload;
};

class Graph {
  public:
    // Each returns the id of the new node. Names are unique; inputs must exist already.
    int add_input(const std::string& name, const Shape& sample_shape);
    int add_parameter(std::shared_ptr<Parameter> parameter);
    int add_op(const std::string& op, const std::string& name, std::vector<int> inputs,
               Attributes attributes = {}, std::shared_ptr<NodePayload> payload = nullptr);

    void set_output(int id) { output_ = id; }
    int output() const { return output_; }
    int input() const;           // the one input node
    Shape sample_shape() const;  // of the input, without the batch: [H, W, C]

    const std::vector<Node>& nodes() const { return nodes_; }
    const Node& node(int id) const { return nodes_.at(id); }
    Node& node(int id) { return nodes_.at(id); }
    int find(const std::string& name) const;  // -1: no such node
    std::vector<int> consumers(int id) const;

    // In node order, each once.
    std::vector<std::shared_ptr<Parameter>> parameters() const;
    int64_t trainable_count() const;

  private:
    int add(Node node);
    std::vector<Node> nodes_;
    int output_ = -1;
};

// Prints a line for each node.
std::ostream& operator<<(std::ostream& out, const Graph& graph);

}  // namespace gradus
