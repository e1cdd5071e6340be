// encodings -- writes the grids of a network for other tools: JSON, by tensor name.
//
// Tensors have the same names as in the ONNX file of ./deploy --onnx FILE --target float
// (io/onnx_export.h): an activation that of the node before its quantizer, a weight
// "<layer>.weight".
#pragma once

#include <string>

#include "quant/prepare.h"

namespace gradus {

// AIMET's encodings, version 0.6.1 (AIMET, "Quantization encoding specification"): a list for each
// activation and each weight, with an entry for each channel if it is per channel. The grid covers
// the whole width, even if codes use less of it: offset is its lowest code less the zero point, x =
// scale (k + offset) with k from 0 to 2^bitwidth - 1, min and max its ends.
void save_encodings(const std::string& path, const QuantizedModel& model);

// The dynamic range of each activation for IBuilderConfig without Q/DQ nodes, in MQBench's format:
// {"tensorrt": {"blob_range": {tensor: 127 scale}}}. TensorRT divides by 127 to get the scale.
// Error(usage): an activation that is not symmetric int8.
void save_tensorrt_ranges(const std::string& path, const QuantizedModel& model);

}  // namespace gradus
