#include "run/train/show_graph.h"

#include <algorithm>
#include <iomanip>

#include "quant/quantizer.h"

namespace gradus {

namespace {

const Quantizer* quantizer_of(const Node& node) {
    return node.op == "quantize" ? dynamic_cast<const Quantizer*>(node.payload.get()) : nullptr;
}

std::string inputs_text(const Graph& graph, const Node& node) {
    std::string text;
    for (int input : node.inputs) {
        if (!text.empty()) text += ' ';
        text += input < 0 ? "-" : graph.node(input).name;
    }
    return text;
}

// Leaves out a quantizer's own parameters: its format implies them.
std::string reads_text(const Graph& graph, const Node& node) {
    if (quantizer_of(node)) return graph.node(node.inputs[0]).name;
    return inputs_text(graph, node);
}

std::string op_text(const Node& node) {
    return node.kind == NodeKind::input ? "input" : node.op;
}

std::string escaped(const std::string& text) {
    std::string result;
    for (char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

// Role by colour: activations' quantizers, weights' quantizers, the rest.
std::string style_of(const Node& node) {
    const Quantizer* q = quantizer_of(node);
    if (node.kind == NodeKind::parameter) return "shape=plain fontcolor=gray40";
    if (!q) return "shape=box";
    return q->role == Role::activation ? "shape=box style=filled fillcolor=orange"
                                       : "shape=box style=filled fillcolor=lightblue";
}

bool is_quantizer_parameter(const Graph& graph, int id) {
    const auto readers = graph.consumers(id);
    return std::all_of(readers.begin(), readers.end(), [&](int reader) {
        return quantizer_of(graph.node(reader)) && graph.node(reader).inputs[0] != id;
    });
}

}  // namespace

void print_graph(std::ostream& out, const Graph& graph) {
    size_t name_width = 0, op_width = 0;
    for (const Node& node : graph.nodes()) {
        if (node.kind == NodeKind::parameter) continue;
        name_width = std::max(name_width, node.name.size());
        op_width = std::max(op_width, op_text(node).size());
    }
    for (const Node& node : graph.nodes()) {
        if (node.kind == NodeKind::parameter) continue;
        out << std::left << std::setw(static_cast<int>(name_width) + 2) << node.name
            << std::setw(static_cast<int>(op_width) + 2) << op_text(node)
            << reads_text(graph, node);
        if (const Quantizer* q = quantizer_of(node)) out << "  [" << q->describe() << ']';
        out << '\n';
    }
}

std::string graph_dot(const Graph& graph, const std::string& title) {
    std::string text = "digraph \"" + escaped(title) + "\" {\n  rankdir=TB\n  node [fontsize=10]\n";
    const auto skipped = [&](int id) {
        return graph.node(id).kind == NodeKind::parameter && is_quantizer_parameter(graph, id);
    };
    for (int id = 0; id < static_cast<int>(graph.nodes().size()); ++id) {
        if (skipped(id)) continue;
        const Node& node = graph.node(id);
        std::string label = escaped(node.name);
        if (node.kind == NodeKind::op) label += "\\n" + op_text(node);
        if (const Quantizer* q = quantizer_of(node)) label += "\\n" + escaped(describe(q->format));
        text += join("  n", id, " [label=\"", label, "\" ", style_of(node), "]\n");
        for (int input : node.inputs) {
            if (input >= 0 && !skipped(input)) text += join("  n", input, " -> n", id, "\n");
        }
    }
    return text + "}\n";
}

}  // namespace gradus
