#include "nn/graph.h"

#include <algorithm>
#include <set>

#include "tensor/check.h"

namespace gradus {

int Graph::add(Node node) {
    check(find(node.name) < 0, "graph: two nodes are called ", node.name);
    for (int input : node.inputs) {
        check(input < static_cast<int>(nodes_.size()), "graph: ", node.name,
              " reads a node that is not there yet");
    }
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
}

int Graph::add_input(const std::string& name, const Shape& sample_shape) {
    Node node;
    node.name = name;
    node.kind = NodeKind::input;
    node.attributes.set("shape", sample_shape.extents());
    return add(std::move(node));
}

int Graph::add_parameter(std::shared_ptr<Parameter> parameter) {
    Node node;
    node.name = parameter->name;
    node.kind = NodeKind::parameter;
    node.parameter = std::move(parameter);
    return add(std::move(node));
}

int Graph::add_op(const std::string& op, const std::string& name, std::vector<int> inputs,
                  Attributes attributes, std::shared_ptr<NodePayload> payload) {
    Node node;
    node.name = name;
    node.op = op;
    node.inputs = std::move(inputs);
    node.attributes = std::move(attributes);
    node.payload = std::move(payload);
    return add(std::move(node));
}

int Graph::input() const {
    for (size_t id = 0; id < nodes_.size(); ++id) {
        if (nodes_[id].kind == NodeKind::input) return static_cast<int>(id);
    }
    fail(ErrorKind::runtime, "graph: no input");
}

Shape Graph::sample_shape() const {
    return Shape(node(input()).attributes.integers("shape"));
}

int Graph::find(const std::string& name) const {
    for (size_t id = 0; id < nodes_.size(); ++id) {
        if (nodes_[id].name == name) return static_cast<int>(id);
    }
    return -1;
}

std::vector<int> Graph::consumers(int id) const {
    std::vector<int> result;
    for (size_t other = id + 1; other < nodes_.size(); ++other) {
        const auto& inputs = nodes_[other].inputs;
        if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) {
            result.push_back(static_cast<int>(other));
        }
    }
    return result;
}

std::vector<std::shared_ptr<Parameter>> Graph::parameters() const {
    std::vector<std::shared_ptr<Parameter>> result;
    for (const Node& node : nodes_) {
        if (node.kind == NodeKind::parameter) result.push_back(node.parameter);
    }
    return result;
}

int64_t Graph::trainable_count() const {
    int64_t count = 0;
    for (const auto& parameter : parameters()) {
        if (parameter->trainable) count += parameter->value.numel();
    }
    return count;
}

std::ostream& operator<<(std::ostream& out, const Graph& graph) {
    for (const Node& node : graph.nodes()) {
        out << node.name << " = ";
        if (node.kind == NodeKind::parameter) {
            out << "parameter " << node.parameter->value.shape();
        } else {
            out << (node.kind == NodeKind::input ? "input" : node.op) << '(';
            const char* separator = "";
            for (int input : node.inputs) {
                out << separator << (input < 0 ? "-" : graph.node(input).name);
                separator = ", ";
            }
            out << ") " << node.attributes;
            if (node.payload) out << node.payload->describe();
        }
        out << '\n';
    }
    return out;
}

}  // namespace gradus
