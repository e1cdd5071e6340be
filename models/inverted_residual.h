// inverted_residual -- the block of MobileNetV2 and of the EfficientNets.
//
//   x -> [1x1 to `hidden`, ReLU6] -> depthwise, ReLU6 -> 1x1 to `out` [+ x]
//
// The sum exists if the stride is 1 and `in` equals `out`. Source: Sandler et al., 1801.04381,
// table 1 and figure 4d.
#pragma once

#include <string>
#include <vector>

#include "models/conv_layers.h"

namespace gradus {

struct LayerNames {
    std::string conv, norm;  // the activation after it is norm + ".act"
};

struct InvertedResidual {
    std::string sum;                // name of the addition
    std::vector<LayerNames> names;  // expansion (none: two names only), depthwise, projection
    int64_t in, hidden, out, kernel;
    Conv2dAttrs depthwise;
};

int inverted_residual(GraphBuilder& g, int x, const InvertedResidual& block,
                      const LayerStyle& style);

// The multiple of 8 nearest to `channels`, at least 8 and not more than 10 % below `channels`: the
// rounding of scaled widths in both families (_make_divisible of TensorFlow's models).
int64_t round_channels(double channels);

}  // namespace gradus
