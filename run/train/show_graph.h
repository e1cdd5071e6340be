// show_graph -- a graph as text and for Graphviz.
#pragma once

#include <ostream>
#include <string>

#include "nn/graph.h"

namespace gradus {

// Prints a line for each node: name, operator, inputs, and a quantizer's format. Parameters are
// named in the node that reads them.
void print_graph(std::ostream& out, const Graph& graph);

// The same for Graphviz: `dot -Tsvg FILE`. Quantizers are coloured by role.
std::string graph_dot(const Graph& graph, const std::string& title);

}  // namespace gradus
