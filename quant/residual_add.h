// residual_add -- how hardware libraries add two tensors of codes.
//
//   y = clamp(((a - z_a) s_a + (b - z_b) s_b) / s_y + z_y, lo, hi), each library in its own order
//
//   onnxruntime  rne(fma(a, ra, fma(b, rb, c))): ratios of scales, zero points inside the rounding
//   tflite       both shifted left by 20, brought to twice the larger scale, added, scaled down;
//                each step rounds twice (R2) or once (R3)
//   xnnpack      fixed point: a ma + b mb + c >> shift, multipliers below 2^21, ties up
//   qnnpack      the same with multipliers below 2^22, ties away from zero
//   torch        floats by fma, their sum times f32(1 / s_y), zero point after rounding. PyTorch
//                does so in whole vectors; its scalar tail, which subtracts the zero point first,
//                differs in 1 % of pairs. Here every element is computed as in a vector
//   tvm          powers of two: both on the finer grid, then R5
//   hexagon      16-bit: (a A + b B) >> min(8, 7 + shift), offset, rounding >> max(shift, 1); a
//                shift of 0 and below is what the library calls underrange, ratios above 32
//   real         f32: (a - z_a) ra (+) (b - z_b) rb, ties to even (TensorRT, SNPE as documented)
//
// source     onnxruntime mlas/qladd; TFLite reference add; XNNPACK qs8-vadd; QNNPACK q8vadd;
//            PyTorch aten/quantized/cpu; TVM relay/quantize/realize; Hexagon NN op_add_d32
// exactness  exact
// tests      tests/residual_add_test.cc: all pairs of codes
#pragma once

#include <string>

#include "quant/fixed_point.h"

namespace gradus {

enum class AddRule {
    none,
    onnxruntime,
    tflite,
    tflite_single,
    xnnpack,
    qnnpack,
    torch,
    tvm,
    hexagon,
    real,
};

const char* rule_name(AddRule rule);

// A grid of 8-bit codes, one for the tensor.
struct CodeGrid {
    float scale;
    int32_t zero_point;
};

// The constants of a rule; unused ones are 0.
struct AddConstants {
    CodeGrid a{}, b{}, y{};
    float a_ratio = 0, b_ratio = 0, y_ratio = 0;  // onnxruntime, torch, real
    float a_offset = 0, b_offset = 0;             // onnxruntime (a_offset), torch
    Q31 a_q31, b_q31, y_q31;                      // tflite
    int32_t a_integer = 0, b_integer = 0;         // xnnpack, qnnpack, hexagon; tvm: left shifts
    int32_t shift = 0, offset = 0;
};

// Makes constants for all scales, so that a dead layer does not stop training. add_refusal tells
// what the library itself refuses, empty if nothing. Error(usage): TVM's addition with scales that
// are not powers of two.
AddConstants add_constants(AddRule rule, const CodeGrid& a, const CodeGrid& b, const CodeGrid& y);
std::string add_refusal(AddRule rule, const CodeGrid& a, const CodeGrid& b, const CodeGrid& y);

namespace add_rules {

// Terms and sums, up to the last value before rounding; quant/rule_steps.h shows them.
HOST_DEVICE inline float onnxruntime_inner(int32_t b, const AddConstants& k) {
    return fmaf(static_cast<float>(b), k.b_ratio, k.a_offset);
}
HOST_DEVICE inline float onnxruntime_value(int32_t a, int32_t b, const AddConstants& k) {
    return fmaf(static_cast<float>(a), k.a_ratio, onnxruntime_inner(b, k));
}

HOST_DEVICE inline int32_t onnxruntime(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                       int32_t hi) {
    return clamp_code(round_half_even(onnxruntime_value(a, b, k)), lo, hi);
}

constexpr int tflite_left_shift = 20;

template <class Multiply>
HOST_DEVICE inline int64_t tflite_term(int32_t code, int32_t zero, Q31 m,
                                       const Multiply& multiply) {
    return multiply((code - zero) * (1 << tflite_left_shift), m);
}
template <class Multiply>
HOST_DEVICE inline int32_t tflite_sum(int32_t a, int32_t b, const AddConstants& k,
                                      const Multiply& multiply) {
    return saturate_int32(tflite_term(a, k.a.zero_point, k.a_q31, multiply) +
                          tflite_term(b, k.b.zero_point, k.b_q31, multiply));
}

template <class Multiply>
HOST_DEVICE inline int32_t tflite(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                  int32_t hi, const Multiply& multiply) {
    const int64_t y = multiply(tflite_sum(a, b, k, multiply), k.y_q31);
    return clamp_integer(y + k.y.zero_point, lo, hi);
}

HOST_DEVICE inline int64_t fixed_term(int32_t code, int32_t zero, int32_t m) {
    return static_cast<int64_t>(code - zero) * m;
}
HOST_DEVICE inline int64_t fixed_sum(int32_t a, int32_t b, const AddConstants& k) {
    return fixed_term(a, k.a.zero_point, k.a_integer) + fixed_term(b, k.b.zero_point, k.b_integer);
}

HOST_DEVICE inline float torch_term(int32_t code, float ratio, float offset) {
    return fmaf(static_cast<float>(code), ratio, offset);
}
HOST_DEVICE inline float torch_value(int32_t a, int32_t b, const AddConstants& k) {
    return (torch_term(a, k.a_ratio, k.a_offset) + torch_term(b, k.b_ratio, k.b_offset)) *
           k.y_ratio;
}

HOST_DEVICE inline int32_t torch(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                 int32_t hi) {
    return clamp_code(round_half_even(torch_value(a, b, k)) + static_cast<float>(k.y.zero_point),
                      lo, hi);
}

HOST_DEVICE inline int64_t tvm_term(int32_t code, int32_t zero, int32_t left_shift) {
    return static_cast<int64_t>(code - zero) << left_shift;
}
HOST_DEVICE inline int64_t tvm_sum(int32_t a, int32_t b, const AddConstants& k) {
    return tvm_term(a, k.a.zero_point, k.a_integer) + tvm_term(b, k.b.zero_point, k.b_integer);
}

HOST_DEVICE inline int32_t tvm(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                               int32_t hi) {
    const int64_t sum = tvm_sum(a, b, k);
    const int64_t y = k.shift > 0 ? shift_half_up(sum, k.shift) : sum * (int64_t{1} << -k.shift);
    return clamp_integer(y + k.y.zero_point, lo, hi);
}

// For large ratios the first shift drops fewer bits, so that one is left for the rounding.
HOST_DEVICE inline int hexagon_first_shift(int32_t shift) {
    return shift > 0 ? 8 : 7 + shift;
}
HOST_DEVICE inline int hexagon_last_shift(int32_t shift) {
    return shift > 0 ? shift : 1;
}
HOST_DEVICE inline int32_t hexagon_sum(int32_t a, int32_t b, const AddConstants& k) {
    return (a * k.a_integer + b * k.b_integer) >> hexagon_first_shift(k.shift);
}
HOST_DEVICE inline int32_t hexagon_moved(int32_t a, int32_t b, const AddConstants& k) {
    return clamp_integer(int64_t{hexagon_sum(a, b, k)} + k.offset, INT16_MIN, INT16_MAX);
}

HOST_DEVICE inline int32_t hexagon(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                   int32_t hi) {
    return clamp_integer(shift_half_up(hexagon_moved(a, b, k), hexagon_last_shift(k.shift)), lo,
                         hi);
}

HOST_DEVICE inline float real_term(int32_t code, int32_t zero, float ratio) {
    return static_cast<float>(code - zero) * ratio;
}
HOST_DEVICE inline float real_value(int32_t a, int32_t b, const AddConstants& k) {
    return real_term(a, k.a.zero_point, k.a_ratio) + real_term(b, k.b.zero_point, k.b_ratio);
}

HOST_DEVICE inline int32_t real(int32_t a, int32_t b, const AddConstants& k, int32_t lo,
                                int32_t hi) {
    return clamp_code(round_half_even(real_value(a, b, k)) + static_cast<float>(k.y.zero_point), lo,
                      hi);
}

}  // namespace add_rules

HOST_DEVICE inline int32_t residual_add_value(AddRule rule, int32_t a, int32_t b,
                                              const AddConstants& k, int32_t lo, int32_t hi) {
    switch (rule) {
        case AddRule::onnxruntime:
            return add_rules::onnxruntime(a, b, k, lo, hi);
        case AddRule::tflite:
            return add_rules::tflite(a, b, k, lo, hi, multiply_double_rounding);
        case AddRule::tflite_single:
            return add_rules::tflite(a, b, k, lo, hi, multiply_single_rounding);
        case AddRule::xnnpack:
            return clamp_integer(
                shift_half_up(add_rules::fixed_sum(a, b, k), k.shift) + k.y.zero_point, lo, hi);
        case AddRule::qnnpack:
            return clamp_integer(
                shift_half_away(add_rules::fixed_sum(a, b, k), k.shift) + k.y.zero_point, lo, hi);
        case AddRule::torch:
            return add_rules::torch(a, b, k, lo, hi);
        case AddRule::tvm:
            return add_rules::tvm(a, b, k, lo, hi);
        case AddRule::hexagon:
            return add_rules::hexagon(a, b, k, lo, hi);
        default:
            return add_rules::real(a, b, k, lo, hi);
    }
}

// The residual sum in a convolution's epilogue (TensorRT): R9's float, not yet rounded, plus the
// codes of the shortcut.
HOST_DEVICE inline int32_t add_to_accumulator(int32_t acc, float m, float bias, int32_t shortcut,
                                              int32_t shortcut_zero, float shortcut_ratio,
                                              int32_t z, int32_t lo, int32_t hi) {
    const float main = static_cast<float>(acc) * m + bias;
    const float y = main + static_cast<float>(shortcut - shortcut_zero) * shortcut_ratio;
    return clamp_code(round_half_even(y) + static_cast<float>(z), lo, hi);
}

}  // namespace gradus
