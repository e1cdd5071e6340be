// onnx_export -- writes networks as ONNX files, with the conventions of the target runtime.
//
//   form qdq        operators on floats between QuantizeLinear and DequantizeLinear; weights are
//                   integers after a DequantizeLinear
//   form qoperator  operators on codes: QLinearConv and its like (onnxruntime)
//   target qonnx    operators on floats between IntQuant nodes, 2 to 8 bits
//   target float    operators on floats alone, weights and biases on their grids: for tools that
//                   take the grids from a separate file (io/encodings.h)
//
// Images are [N, C, H, W] and filters O I KH KW in these files. Tensors have the names of the
// graph's nodes; the output of quantizer Q is "Q.codes", and the codes that layer L passes on
// (pooling, flattening) are "L.quantizer.codes": so a runtime's codes can be compared with those of
// a golden bundle. docs/onnx.md describes what each target accepts and how close it comes.
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

// The file as written and read back.
struct OnnxSummary {
    int64_t ir_version = 0, opset = 0;
    int64_t nodes = 0;
    bool checked = false;  // by libonnx's checker too, which knows opsets up to its own
};

// Writes the network with its quantizers; `program` is lower(model). Error(usage), with the reason,
// for what the target cannot express; a build without ONNX refuses everything.
OnnxSummary save_onnx(const std::string& path, const QuantizedModel& model, const Program& program,
                      const OnnxRequest& request);

// Writes a float network with its batch norm; needs no features of a particular target.
OnnxSummary save_float_onnx(const std::string& path, const Graph& network,
                            const OnnxRequest& request);

}  // namespace gradus
