#include "run/train/network_summary.h"

#include "nn/executor.h"
#include "run/console_table.h"

namespace gradus {

namespace {

int64_t parameters_of(const Graph& graph, const Node& node) {
    int64_t count = 0;
    for (int input : node.inputs) {
        if (input < 0 || graph.node(input).kind != NodeKind::parameter) continue;
        const Parameter& parameter = *graph.node(input).parameter;
        if (parameter.trainable) count += parameter.value.numel();
    }
    return count;
}

// Multiply-accumulates for one image: outputs times the length of a dot product.
int64_t macs_of(const Graph& graph, const Node& node, const Shape& output) {
    if (node.op != "conv2d" && node.op != "linear") return 0;
    const Shape& w = graph.node(node.inputs[1]).parameter->value.shape();
    return output.numel() * (w.numel() / w[0]);
}

}  // namespace

void print_summary(std::ostream& out, const Graph& graph, bool utf8) {
    const Shape sample = graph.sample_shape();
    const Tensor image = Tensor::zeros({1, sample[0], sample[1], sample[2]});
    ConsoleTable table({"layer", "kind", "output", "parameters", "MACs", "memory"});
    int64_t parameters = 0, macs = 0, bytes = 0;
    execute(graph, image, RunMode{}, [&](const Node& node, const Variable& value) {
        if (node.kind != NodeKind::op) return;
        const int64_t layer_parameters = parameters_of(graph, node);
        const int64_t layer_macs = macs_of(graph, node, value.shape());
        parameters += layer_parameters;
        const int64_t layer_bytes = 4 * (layer_parameters + value.shape().numel());
        macs += layer_macs;
        bytes += layer_bytes;
        table.row({node.name, node.op, join(value.shape()), count_text(layer_parameters),
                   count_text(layer_macs), bytes_text(layer_bytes)});
    });
    table.row({"total", "", "", count_text(parameters), count_text(macs), bytes_text(bytes)});
    table.print(out, utf8);
}

}  // namespace gradus
