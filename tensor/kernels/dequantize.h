// dequantize -- y = clamp(sum over terms of s (q - z) / count, lower, upper)
// shapes    codes [any] -> y [same]             dtype i8, u8 or i32 -> f32
// scales    one per term, or one per channel: codes seen as [outer, channels, inner]
// gradient  none; quantizers have their own, see quant/
// exactness exact: each element alone, operations in the order written
// tests     tests/tensor_test.cc
#pragma once

#include <cstdint>

#include "tensor/affine.h"
#include "tensor/kernel.h"

namespace gradus {

// An average is divided after the multiplication, so a count of 1 changes nothing.
HOST_DEVICE inline float average_value(float value, float count) {
    return value / count;
}

struct DequantizeTerm {
    const void* codes;
    DType dtype;                // I8, U8 or I32
    const float* scale;         // [channels]
    const int32_t* zero_point;  // [channels], or one for all
    bool one_zero_point;
    int64_t outer, channels, inner;
    float count;
};

// y = the term, or y + the term; then clamped to [lower, upper] (infinite: not). NaN stays NaN.
extern Kernel<void(const DequantizeTerm& term, bool accumulate, float lower, float upper, float* y)>
    dequantize_term;

}  // namespace gradus
