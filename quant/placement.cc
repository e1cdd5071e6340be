#include "quant/placement.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

int only_consumer(const Graph& network, int id) {
    const auto consumers = network.consumers(id);
    return consumers.size() == 1 ? consumers[0] : -1;
}

bool is_activation(const Node& node) {
    return node.op == "relu" || node.op == "relu6";
}

// The last node after `id` on a chain of nodes that `belongs` accepts and that have no other
// reader.
template <class Belongs>
int tail_of(const Graph& network, int id, const Belongs& belongs) {
    for (int next = only_consumer(network, id); next >= 0; next = only_consumer(network, id)) {
        if (!belongs(network.node(next))) break;
        id = next;
    }
    return id;
}

// True if no other weighted layer stands between this one and the output.
bool is_last(const Graph& network, int layer) {
    int id = layer;
    while (id >= 0 && id != network.output()) {
        id = only_consumer(network, id);
        if (id >= 0 && is_weighted(network.node(id))) return false;
    }
    return id == network.output();
}

// The number of weighted layers on the longest path from the input to each node.
std::vector<int> depths(const Graph& network) {
    std::vector<int> depth(network.nodes().size(), 0);
    for (size_t id = 0; id < depth.size(); ++id) {
        const Node& node = network.node(static_cast<int>(id));
        for (int input : node.inputs) {
            if (input >= 0) depth[id] = std::max(depth[id], depth[input]);
        }
        depth[id] += is_weighted(node);
    }
    return depth;
}

// True if the node is a layer's output (batch norm folded) without an activation.
bool is_accumulator(const Graph& network, int id) {
    const Node& node = network.node(id);
    if (is_weighted(node)) return true;
    return node.op == "batch_norm" && is_weighted(network.node(node.inputs[0]));
}

void place_behind(const Graph& network, bool spare_main_branch, Placement& place) {
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        const Node& node = network.node(id);
        if (node.kind == NodeKind::parameter) continue;
        const bool makes_values = node.kind == NodeKind::input || is_weighted(node) ||
                                  node.op == "add" || is_activation(node);
        if (!makes_values) continue;
        const int tail = fused_tail(network, id);
        if (tail != network.output()) place.behind[tail] = tail;
    }
    for (int id = 0; spare_main_branch && id < static_cast<int>(network.nodes().size()); ++id) {
        if (network.node(id).op == "add") place.behind.erase(main_branch(network, id));
    }
}

// Names all inputs of a concat, direct or through other concats, after the first of them.
void share_grids(const Graph& network, Placement& place) {
    for (const Node& node : network.nodes()) {
        if (node.op != "concat") continue;
        std::set<int> names;
        for (int input : node.inputs) {
            for (int source : sources_of(network, input)) names.insert(place.behind.at(source));
        }
        for (auto& [id, name] : place.behind) {
            if (names.count(name)) name = *names.begin();
        }
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
    return tail_of(network, id,
                   [](const Node& node) { return node.op == "batch_norm" || is_activation(node); });
}

int activation_tail(const Graph& network, int id) {
    return tail_of(network, id, is_activation);
}

bool passes_through(const Node& node) {
    return node.op == "max_pool2d" || node.op == "global_average_pool" || node.op == "flatten" ||
           node.op == "average_pool2d" || node.op == "dropout" || node.op == "concat";
}

int source_of(const Graph& network, int id) {
    while (passes_through(network.node(id)) && network.node(id).op != "concat") {
        id = network.node(id).inputs.at(0);
    }
    return id;
}

std::vector<int> sources_of(const Graph& network, int id) {
    if (!passes_through(network.node(id))) return {id};
    std::vector<int> sources;
    for (int input : network.node(id).inputs) {
        for (int source : sources_of(network, input)) sources.push_back(source);
    }
    return sources;
}

int main_branch(const Graph& network, int add) {
    const std::vector<int> depth = depths(network);
    int found = -1;
    for (int operand : network.node(add).inputs) {
        if (!is_accumulator(network, operand) || only_consumer(network, operand) != add) continue;
        if (found < 0 || depth[operand] > depth[found]) found = operand;
    }
    return found;
}

Placement place_quantizers(const Graph& network, const Hardware& hardware) {
    Placement place;
    if (hardware.block_graph == 1) {
        place_graph_1(network, place);
    } else {
        place_behind(network, hardware.block_graph == 2, place);
        share_grids(network, place);
    }
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        const Node& node = network.node(id);
        if (!is_weighted(node)) continue;
        const bool first = node.inputs[0] == network.input();
        const bool last = is_last(network, id);
        if (!first && !last) continue;
        place.first_last_layers.insert(id);
        for (int source : sources_of(network, node.inputs[0])) {
            const auto found = place.behind.find(source);
            if (found != place.behind.end()) place.first_last_inputs.insert(found->second);
        }
    }
    return place;
}

}  // namespace gradus
