// onnx_targets -- the expectations of each reader of ONNX files, as rows of facts, and its
// refusals.
#pragma once

#include <string>
#include <vector>

#include "integer/program.h"
#include "quant/prepare.h"

namespace gradus {

struct OnnxTarget {
    const char* name;
    bool int32_bias = false;      // bias as int32 at scale s_x s_w; else as floats
    bool int4_weights = false;    // 4-bit weights as INT4 and UINT4 (opset 21); else in 8-bit types
    bool symmetric_int8 = false;  // int8 with zero point 0, and no clamp of the codes
    bool one_weight_zero_point = false;  // for all filters
    bool int_quant = false;              // IntQuant nodes of any width
    bool no_quantizers = false;          // floats alone, weights and biases on their grids
    bool qoperator = false;              // has operators on codes
    bool clips_codes = false;            // a ReLU6 stands after its quantizer, as a Clip of codes
};

const std::vector<OnnxTarget>& onnx_targets();
// An unknown name is Error(usage) with the list.
const OnnxTarget& find_onnx_target(const std::string& name);

// Error(usage): names the quantizer, and the property that the target cannot express.
void refuse_quantizers(const OnnxTarget& target, const QuantizedModel& model);
// Error(usage): names the layer that has no operator on codes.
void refuse_qoperator(const OnnxTarget& target, const Program& program);

}  // namespace gradus
