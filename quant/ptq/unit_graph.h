// unit_graph -- a unit of the quantized network as a trainable graph: learns roundings of weights
// and scales of activations, all else fixed. In float (qdq), whatever the model simulates.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "quant/prepare.h"

namespace gradus {

// A weight whose rounding is learned.
struct Rounding {
    std::shared_ptr<Quantizer> quantizer;
    std::shared_ptr<Parameter> weight;  // the model's float weight
    std::shared_ptr<Parameter> v;       // learned
    std::string folded;                 // node: the weight before quantization
    std::string factor;                 // node: its folding factor; empty: not folded
};

struct UnitGraph {
    Graph graph;
    std::vector<Rounding> roundings;
    std::vector<std::shared_ptr<Parameter>> scales;  // of activations, learned; the model's storage
};

enum class Weights { nearest, learned };

// The nodes of `inference` from `entry` to `exit`. Quantizers in `held` do not learn their scale.
// keep < 1: activations are rounded only with this probability.
UnitGraph unit_graph(const Graph& inference, int entry, int exit, const Shape& sample_shape,
                     Weights weights, const std::set<std::string>& held, float keep);

}  // namespace gradus
