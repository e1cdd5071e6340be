// onnx_file -- one ONNX model, node by node, through libonnx's message classes.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/onnx_export.h"
#include "nn/attributes.h"
#include "tensor/tensor.h"

namespace gradus {

inline const char* const kMicrosoftDomain = "com.microsoft";
inline const char* const kQonnxDomain = "qonnx.custom_op.general";

class OnnxFile {
  public:
    explicit OnnxFile(const std::string& graph_name);

    // Extents below 0 are left open. An output is a float.
    void set_input(const std::string& name, const std::vector<int64_t>& extents);
    void set_output(const std::string& name, const std::vector<int64_t>& extents);

    // Adds a node with one output and returns its name. Inputs "" are absent.
    std::string add(const std::string& op, const std::string& output,
                    const std::vector<std::string>& inputs, const Attributes& attributes = {},
                    const std::string& domain = "");
    // Adds an initializer; a known name keeps its first value.
    std::string constant(const std::string& name, const Tensor& value);
    std::string scalar(const std::string& name, float value);
    // 4-bit codes, two in a byte, the first in the low half (opset 21).
    std::string int4_constant(const std::string& name, const Tensor& codes);

    // Opset 13 and IR 7, or 21 and 10 with a 4-bit tensor. Reads the file back and compares.
    OnnxSummary save(const std::string& path, const std::map<std::string, std::string>& facts);

  private:
    onnx::TensorProto* new_initializer(const std::string& name, const Shape& shape);

    onnx::ModelProto model_;
    std::set<std::string> constants_;
    std::set<std::string> domains_;
    bool has_int4_ = false;
};

// Reads the model in a file. Error(data): missing, or not an ONNX model.
onnx::ModelProto read_onnx(const std::string& path);

// Throws Error(runtime), naming the tensor, unless every node comes after its inputs and no name
// occurs twice.
void check_structure(const std::string& path, const onnx::GraphProto& graph);

}  // namespace gradus
