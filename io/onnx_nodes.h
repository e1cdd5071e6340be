// onnx_nodes -- shared by both forms of ONNX files: grids, attributes, the conversion to NCHW.
#pragma once

#include <string>

#include "io/onnx_file.h"
#include "nn/attributes.h"
#include "quant/quantizer.h"

namespace gradus {

// The names of the initializers of a grid.
struct GridNames {
    std::string scale, zero_point;
};

// Scale and zero point as initializers: scalars, or one for each channel; the zero point has the
// type of the codes.
GridNames write_grid(OnnxFile& file, const std::string& name, const Tensor& scale,
                     const Tensor& zero_point, DType code_type);
// Integers as codes of one byte, in the shape given.
Tensor as_codes(const Tensor& integers, DType code_type, const Shape& shape);

// Adds a Clip named `codes` after `raw` if the bounds exclude any integer of the type. Returns the
// name of the result: raw or `codes`.
bool clips(const CodeBounds& bounds, DType code_type);
std::string write_clip(OnnxFile& file, const std::string& raw, const std::string& codes,
                       const CodeBounds& bounds, DType code_type);

// The attributes of Conv and QLinearConv, of MaxPool and AveragePool.
Attributes onnx_conv_attributes(const Attributes& attributes, const Shape& filters);
Attributes onnx_pool_attributes(const Attributes& attributes);

// [N, C, H, W] -> [N, C H W], channels last as this library flattens. Averages of one pixel need no
// Transpose.
std::string write_flatten(OnnxFile& file, const std::string& x, const std::string& output,
                          bool is_one_pixel);

}  // namespace gradus
