// conv_layers -- convolutions with batch norm and activation, used by every family.
#pragma once

#include <string>
#include <vector>

#include "nn/builder.h"

namespace gradus {

// A convolution without bias, its batch norm and, if `activation` is not empty, the activation.
struct ConvLayer {
    std::string conv, norm, activation;  // names of the nodes
    int64_t out, kernel;
    Conv2dAttrs attrs;
};

// Settings that all layers of a network share.
struct LayerStyle {
    bool relu6 = false;  // else ReLU
    float eps = 1e-5f;   // of batch norm
    FanOut fan_out = FanOut::all_groups;
};

// Adds them in a row after the node `x` of `in` channels; returns the last node.
int conv_layers(GraphBuilder& g, int x, int64_t in, const std::vector<ConvLayer>& layers,
                const LayerStyle& style = {});

}  // namespace gradus
