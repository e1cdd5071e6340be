// requantize -- the rules by which hardware libraries put wide integers back on a grid.
//
// Pure functions, compiled for host and device from these lines. `lo` and `hi` are the clamp of
// the output code: [qmin, qmax], narrowed by a fused ReLU to [z, .] or ReLU6 to [., z + rne(6/s)].
// source     integer kernels of onnxruntime: QLinearConv, QLinearAdd, QLinearGlobalAveragePool
// exactness  exact
// tests      tests/requantize_test.cc (ties), tests/onnx_nodes_test.cc (ONNX's own vectors)
#pragma once

#include <cmath>
#include <cstdint>

#include "quant/numerics.h"

namespace gradus {

// R1 (onnxruntime, XNNPACK "fp32", FBGEMM): one float product, ties to even, zero point after.
HOST_DEVICE inline float r1_multiplier(float accumulator_scale, float output_scale) {
    return accumulator_scale / output_scale;
}
HOST_DEVICE inline float r1_multiplier(float input_scale, float weight_scale, float output_scale) {
    return r1_multiplier(input_scale * weight_scale, output_scale);
}
HOST_DEVICE inline int32_t r1_requantize(int32_t acc, float multiplier, int32_t z, int32_t lo,
                                         int32_t hi) {
    return clamp_code(round_half_even(static_cast<float>(acc) * multiplier) + static_cast<float>(z),
                      lo, hi);
}

// onnxruntime's QLinearAdd (x86): zero point before rounding, two fused multiply-adds by name.
struct AddConstants {
    float a_ratio, b_ratio, offset;
};
HOST_DEVICE inline AddConstants onnxruntime_add_constants(float a_scale, int32_t a_zero,
                                                          float b_scale, int32_t b_zero,
                                                          float y_scale, int32_t y_zero) {
    const float ra = a_scale / y_scale;
    const float rb = b_scale / y_scale;
    const float zeros = fmaf(ra, static_cast<float>(a_zero), rb * static_cast<float>(b_zero));
    return {ra, rb, static_cast<float>(y_zero) - zeros};
}
HOST_DEVICE inline int32_t onnxruntime_add(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                           int32_t hi) {
    const float y =
        fmaf(static_cast<float>(a), k.a_ratio, fmaf(static_cast<float>(b), k.b_ratio, k.offset));
    return clamp_code(round_half_even(y), lo, hi);
}

// onnxruntime's QLinearGlobalAveragePool: the centred integer sum times one float.
HOST_DEVICE inline float average_multiplier(float input_scale, float output_scale, int32_t count) {
    return input_scale / (output_scale * static_cast<float>(count));
}
HOST_DEVICE inline int32_t average_requantize(int32_t centred_sum, float multiplier, int32_t z,
                                              int32_t lo, int32_t hi) {
    return r1_requantize(centred_sum, multiplier, z, lo, hi);
}

}  // namespace gradus
