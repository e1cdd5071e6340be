#include "quant/placement.h"

#include "tensor/check.h"

namespace gradus {

namespace {

int only_consumer(const Graph& network, int id) {
    const auto consumers = network.consumers(id);
    return consumers.size() == 1 ? consumers[0] : -1;
}

// Whether no other weighted layer stands between this one and the output.
bool is_last(const Graph& network, int layer) {
    int id = layer;
    while (id >= 0 && id != network.output()) {
        id = only_consumer(network, id);
        if (id >= 0 && is_weighted(network.node(id))) return false;
    }
    return id == network.output();
}

void place_graph_3(const Graph& network, Placement& place) {
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        const Node& node = network.node(id);
        check_kind(node.op != "concat" && node.op != "average_pool2d", ErrorKind::usage, node.name,
                   ": block graph 3 does not place quantizers around ", node.op);
        if (node.kind != NodeKind::input && !is_weighted(node) && node.op != "add") continue;
        const int tail = fused_tail(network, id);
        if (tail != network.output()) place.behind.insert(tail);
    }
}

void place_graph_1(const Graph& network, Placement& place) {
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        if (is_weighted(network.node(id))) place.before.insert(id);
    }
}

}  // namespace

bool is_weighted(const Node& node) {
    return node.op == "conv2d" || node.op == "linear";
}

int following_batch_norm(const Graph& network, int conv) {
    const int next = only_consumer(network, conv);
    return next >= 0 && network.node(next).op == "batch_norm" ? next : -1;
}

int fused_tail(const Graph& network, int id) {
    for (int next = only_consumer(network, id); next >= 0; next = only_consumer(network, id)) {
        const std::string& op = network.node(next).op;
        if (op != "batch_norm" && op != "relu" && op != "relu6") break;
        id = next;
    }
    return id;
}

bool passes_through(const Node& node) {
    return node.op == "max_pool2d" || node.op == "global_average_pool" || node.op == "flatten" ||
           node.op == "dropout";
}

int source_of(const Graph& network, int id) {
    while (passes_through(network.node(id))) id = network.node(id).inputs.at(0);
    return id;
}

Placement place_quantizers(const Graph& network, const Hardware& hardware) {
    Placement place;
    if (hardware.block_graph == 1) {
        place_graph_1(network, place);
    } else {
        check_kind(hardware.block_graph == 3, ErrorKind::usage, hardware.name, ": block graph ",
                   hardware.block_graph, " is not known; there are 1 and 3");
        place_graph_3(network, place);
    }
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        const Node& node = network.node(id);
        if (!is_weighted(node)) continue;
        const bool first = node.inputs[0] == network.input();
        const bool last = is_last(network, id);
        if (!first && !last) continue;
        place.first_last_layers.insert(id);
        place.first_last_inputs.insert(source_of(network, node.inputs[0]));
    }
    return place;
}

}  // namespace gradus
