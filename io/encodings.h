// encodings -- the grids of a network as tools of other houses take them: JSON, by tensor name.
//
// Tensors have the names that the ONNX file of ./deploy --onnx FILE --target float gives them
// (io/onnx_export.h): activations that of the node in front of the quantizer, weights
// "<layer>.weight".
#pragma once

#include <string>

#include "quant/prepare.h"

namespace gradus {

// AIMET's encodings, version 0.6.1 (AIMET, "Quantization encoding specification"): a list for each
// activation and each weight, per channel one entry a channel. The grid is that of the whole width,
// also where codes use less of it: offset is its lowest code less the zero point, x = scale (k +
// offset) with k from 0 to 2^bitwidth - 1, min and max its ends.
void save_encodings(const std::string& path, const QuantizedModel& model);

// The dynamic range of each activation for IBuilderConfig without Q/DQ nodes, as MQBench writes it:
// {"tensorrt": {"blob_range": {tensor: 127 scale}}}, of which TensorRT makes the scale by dividing
// by 127. Error(usage): an activation that is not
// symmetric int8.
void save_tensorrt_ranges(const std::string& path, const QuantizedModel& model);

}  // namespace gradus
