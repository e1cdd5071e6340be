// placement -- where a hardware quantizes activations, and which layers have 8 bits.
#pragma once

#include <set>

#include "nn/graph.h"
#include "quant/hardware.h"

namespace gradus {

struct Placement {
    // Block graph 3: nodes behind which a quantizer stands, shared by all consumers.
    std::set<int> behind;
    // Block graph 1: weighted layers, each with a quantizer of its own on its input.
    std::set<int> before;
    // The first and last layer rule (MQBench 4.3): the weighted layers, and the nodes behind which
    // the quantizers of their inputs stand. A layer may be the one and not the other.
    std::set<int> first_last_layers;
    std::set<int> first_last_inputs;
};

// Ids are those of the float graph. MQBench 6.1, 6.3, 6.8.
Placement place_quantizers(const Graph& network, const Hardware& hardware);

// Convolution or linear.
bool is_weighted(const Node& node);
// The batch norm that is `conv`'s only consumer, or -1.
int following_batch_norm(const Graph& network, int conv);

}  // namespace gradus
