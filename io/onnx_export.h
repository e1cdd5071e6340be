// onnx_export -- networks as ONNX files, with the conventions of the runtime that will read them.
//
//   form qdq        operators on floats between QuantizeLinear and DequantizeLinear; weights are
//                   integers after a DequantizeLinear
//   form qoperator  operators on codes: QLinearConv and its like (onnxruntime)
//   target qonnx    operators on floats between IntQuant nodes, 2 to 8 bits
//   target float    operators on floats alone, weights and biases on their grids: for tools that
//                   take the grids from a file next to it (io/encodings.h)
//
// Images are [N, C, H, W] and filters O I KH KW in these files. Tensors have the names of the
// graph's nodes; what quantizer Q makes is "Q.codes", and the codes that layer L passes on
// (pooling, flattening) are "L.quantizer.codes": a runtime's codes can be laid next to those of a
// golden bundle. docs/onnx.md says what each target takes and how close it comes.
#pragma once

#include <map>
#include <string>

#include "integer/program.h"
#include "nn/graph.h"
#include "quant/prepare.h"

namespace gradus {

struct OnnxRequest {
    std::string target = "onnxruntime";        // onnxruntime, tensorrt, openvino, qonnx, float
    std::string form = "qdq";                  // qdq, qoperator
    std::map<std::string, std::string> facts;  // entries of the model's metadata
};

// The file as it was written and read back.
struct OnnxSummary {
    int64_t ir_version = 0, opset = 0;
    int64_t nodes = 0;
    bool checked = false;  // by libonnx's checker too, which knows opsets up to its own
};

// Writes the network with its quantizers; `program` is lower(model). Error(usage) for what the
// target cannot express, with the reason; a build without ONNX refuses everything.
OnnxSummary save_onnx(const std::string& path, const QuantizedModel& model, const Program& program,
                      const OnnxRequest& request);

// A float network, batch norm and all; no target asks for more of it.
OnnxSummary save_float_onnx(const std::string& path, const Graph& network,
                            const OnnxRequest& request);

}  // namespace gradus
