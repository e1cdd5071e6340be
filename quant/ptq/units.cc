#include "quant/ptq/units.h"

#include <algorithm>

#include "quant/placement.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr size_t stacked_layers = 3;

bool is_fused(const Node& node) {
    return node.op == "batch_norm" || node.op == "relu" || node.op == "relu6";
}

// The nodes on every path from the input, in order, the input included: no edge bypasses them.
std::vector<int> cut_points(const Graph& network) {
    std::vector<int> cuts;
    int reach = -1;  // the last reader of any earlier node
    for (int id = network.input(); id <= network.output(); ++id) {
        if (network.node(id).kind == NodeKind::parameter) continue;
        if (reach <= id) cuts.push_back(id);
        for (int consumer : network.consumers(id)) reach = std::max(reach, consumer);
    }
    return cuts;
}

// The nodes between two cuts, the second one included.
struct Segment {
    int end = -1;
    int nodes = 0;
    std::vector<int> layers;

    bool joins() const { return nodes > 1; }
};

Segment segment_between(const Graph& network, int begin, int end) {
    Segment segment;
    segment.end = end;
    for (int id = begin + 1; id <= end; ++id) {
        if (network.node(id).kind == NodeKind::parameter) continue;
        ++segment.nodes;
        if (is_weighted(network.node(id))) segment.layers.push_back(id);
    }
    return segment;
}

class BlockWalk {
  public:
    explicit BlockWalk(const Graph& network) : network_(network) { open(network.input()); }

    void take(const Segment& segment) {
        if (segment.layers.empty()) {
            // A ReLU belongs to the layer before it, pooling to the layer after it.
            if (!unit_.layers.empty() && is_fused(network_.node(segment.end)))
                unit_.exit = segment.end;
            return;
        }
        const bool full = unit_.layers.size() + segment.layers.size() > stacked_layers;
        if (!unit_.layers.empty() && (alone_ || segment.joins() || full)) close();
        unit_.layers.insert(unit_.layers.end(), segment.layers.begin(), segment.layers.end());
        unit_.exit = segment.end;
        alone_ = segment.joins();
    }

    std::vector<Unit> finish() {
        if (!unit_.layers.empty()) close();
        return std::move(units_);
    }

  private:
    void open(int entry) {
        unit_ = Unit{};
        unit_.entry = entry;
        alone_ = false;
    }
    void close() {
        const std::string& first = network_.node(unit_.layers.front()).name;
        const std::string& last = network_.node(unit_.layers.back()).name;
        unit_.name = first == last ? first : first + " to " + last;
        units_.push_back(unit_);
        open(unit_.exit);
    }

    const Graph& network_;
    Unit unit_;
    bool alone_ = false;
    std::vector<Unit> units_;
};

}  // namespace

std::vector<Unit> layer_units(const Graph& network) {
    std::vector<Unit> units;
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        const Node& node = network.node(id);
        if (!is_weighted(node)) continue;
        units.push_back(
            {node.name, source_of(network, node.inputs[0]), fused_tail(network, id), {id}});
    }
    return units;
}

std::vector<Unit> block_units(const Graph& network) {
    const std::vector<int> cuts = cut_points(network);
    BlockWalk walk(network);
    for (size_t i = 1; i < cuts.size(); ++i) {
        walk.take(segment_between(network, cuts[i - 1], cuts[i]));
    }
    return walk.finish();
}

int counterpart(const Graph& rewritten, const Graph& network, int id) {
    const Node& node = network.node(id);
    int found = rewritten.find(node.name);
    if (found < 0 && node.op == "batch_norm") {
        found = rewritten.find(network.node(node.inputs[0]).name);
    }
    check(found >= 0, "units: the quantized network has no node ", node.name);
    return found;
}

}  // namespace gradus
