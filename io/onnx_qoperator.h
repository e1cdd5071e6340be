// onnx_qoperator -- a Program as ONNX operators on codes, instruction by instruction.
#pragma once

#include "io/onnx_file.h"
#include "quant/prepare.h"

namespace gradus {

// Writes a program that refuse_qoperator (io/onnx_targets.h) accepts.
void write_qoperator(OnnxFile& file, const QuantizedModel& model, const Program& program);

}  // namespace gradus
