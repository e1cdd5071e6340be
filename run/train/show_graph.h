// show_graph -- a graph to read and to look at.
#pragma once

#include <ostream>
#include <string>

#include "nn/graph.h"

namespace gradus {

// One line a node: name, operator, what it reads, and a quantizer's format. Parameters are named
// where they are read.
void print_graph(std::ostream& out, const Graph& graph);

// The same for Graphviz: `dot -Tsvg FILE`. Quantizers stand out, by their role.
std::string graph_dot(const Graph& graph, const std::string& title);

}  // namespace gradus
