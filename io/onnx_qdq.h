// onnx_qdq -- a graph as ONNX operators on floats, its quantizers as pairs of QuantizeLinear and
// DequantizeLinear or as IntQuant nodes. A graph without quantizers is the float network.
#pragma once

#include "io/onnx_file.h"
#include "io/onnx_targets.h"
#include "nn/graph.h"

namespace gradus {

// Error(usage) for a node that has no counterpart in ONNX.
void write_qdq(OnnxFile& file, const Graph& graph, const OnnxTarget& target);

}  // namespace gradus
