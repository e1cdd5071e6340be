// network_summary -- layers, shapes, parameters, multiply-accumulates and memory as a table.
//
// For one image. MACs are those of convolution and linear layers, products with padding included.
// Memory is that of the layer's output and parameters in f32.
#pragma once

#include <ostream>

#include "nn/graph.h"

namespace gradus {

void print_summary(std::ostream& out, const Graph& graph, bool utf8);

}  // namespace gradus
