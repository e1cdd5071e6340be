// network_summary -- layers, shapes, parameters and multiply-accumulates as a table.
#pragma once

#include <ostream>

#include "nn/graph.h"

namespace gradus {

void print_summary(std::ostream& out, const Graph& graph, bool utf8);

}  // namespace gradus
