// placement -- chooses where a hardware quantizes activations, and which layers have 8 bits.
#pragma once

#include <map>
#include <set>

#include "nn/graph.h"
#include "quant/hardware.h"

namespace gradus {

struct Placement {
    // Block graphs 2 and 3: nodes followed by a quantizer, which all consumers share. Each maps to
    // the node that names the quantizer: itself, or the first of the nodes that a concat joins,
    // which share one grid (MQBench 6.7).
    std::map<int, int> behind;
    // Block graph 1: weighted layers, each with its own quantizer on its input.
    std::set<int> before;
    // The first and last layer rule (MQBench 4.3): the weighted layers, and the nodes that name the
    // quantizers of their inputs. A layer may be in one set and not in the other.
    std::set<int> first_last_layers;
    std::set<int> first_last_inputs;
};

// Ids are those of the float graph. MQBench 6.
Placement place_quantizers(const Graph& network, const Hardware& hardware);

// Convolution or linear.
bool is_weighted(const Node& node);
// The batch norm that is the only consumer of `conv`, or -1.
int following_batch_norm(const Graph& network, int conv);
// The last node that a runtime fuses after `id`: batch norm, then ReLU or ReLU6.
int fused_tail(const Graph& network, int id);
// The same, skipping only ReLU and ReLU6: a batch norm that is not folded stays a separate node.
int activation_tail(const Graph& network, int id);
// Operators that pass codes through need no quantizer: pooling, flattening, dropout (MQBench 6.9).
bool passes_through(const Node& node);
// Follows such operators back to the nodes whose quantizers gave the codes (MQBench 4.3): one, or
// several before a concat.
std::vector<int> sources_of(const Graph& network, int id);
// The same, stopping at a concat.
int source_of(const Graph& network, int id);
// The operand of `add` that block graph 2 leaves without a quantizer: accumulators of a layer with
// no other reader, those of the longer branch if both are; -1 if none is.
int main_branch(const Graph& network, int add);

}  // namespace gradus
