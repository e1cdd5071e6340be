// units -- the parts of a network that are reconstructed one after the other.
//
// layer   a convolution or linear layer with the batch norm and ReLU after it (AdaRound)
// block   the nodes between two nodes that every path passes; a residual block is a unit by
//         itself, elsewhere at most three weighted layers form one (BRECQ, QDrop)
//
// A unit reads the value of `entry` and gives that of `exit`. Pooling and flattening before a layer
// belong to its unit, so that a unit begins where a quantizer may stand.
// source  MQBench 2.8; Li et al., BRECQ, ICLR 2021 (arXiv 2102.05426)
// tests   tests/units_test.cc
#pragma once

#include <string>
#include <vector>

#include "nn/graph.h"

namespace gradus {

// Ids are those of the float graph.
struct Unit {
    std::string name;  // from its layers: "conv1", "layer1.0.conv1 to layer1.0.conv2"
    int entry = -1;
    int exit = -1;
    std::vector<int> layers;
};

std::vector<Unit> layer_units(const Graph& network);
std::vector<Unit> block_units(const Graph& network);

// The node of a rewritten graph with the value of the float graph's node `id`, before any
// quantizer: the node of the same name, or the convolution into which the batch norm was folded.
int counterpart(const Graph& rewritten, const Graph& network, int id);

}  // namespace gradus
