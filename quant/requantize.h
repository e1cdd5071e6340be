// requantize -- the rules by which hardware libraries round int32 accumulators to a grid.
//
//   acc = sum (x_q - z_x) (w_q - z_w) + bias      exact
//   q   = clamp(rule(acc s_x s_w / s_y) + z, lo, hi)
//
// A rule is a pure function of the accumulator and of constants made once for each channel,
// compiled for host and device from these lines. `lo` and `hi` are the clamp of the output code:
// [qmin, qmax], narrowed by a fused ReLU to [z, .] or ReLU6 to [., z + 6/s rounded]. (x) and (+)
// round to float once each; the order of operations is part of a rule.
//
//   R1   rne(f32(acc) (x) m) + z        m = f32(f32(s_x s_w) / s_y)
//        onnxruntime QLinearConv, XNNPACK "fp32", FBGEMM with int32 bias
//   R1b  the same                       m = f32(f32(s_w s_x) f32(1 / s_y))
//        PyTorch's QNNPACK
//   R1c  rne(((f32(acc) (+) b') (x) m) (+) z), r = f32(f32(1 / s_x) f32(1 / s_w)),
//        m = f32(f32(1 / s_y) / r), b' = f32(bias r)
//        PyTorch's oneDNN: the zero point is inside the rounding, the bias stays a float
//   R1f  rne((f32(acc) (+) b') (x) m) + z, b' = f32(bias / f32(s_x s_w)); with one scale for the
//        tensor fma(bias, f32(1 / f32(s_x s_w)), f32(acc)) instead of the sum
//        FBGEMM as PyTorch calls it
//   R2   two roundings in Q31, m from doubles: up after the product, away from zero after the shift
//        TFLite's reference kernels, CMSIS-NN, gemmlowp
//   R3   one rounding in Q31, ties up
//        ruy, TFLite with single rounding, TVM's qnn
//   R5   a shift that rounds ties up, m = 2^-k
//        TVM's relay.quantize
//   R8   qmin + clamp((acc - min) recip + 2^30 >> 31, 0, levels), levels = qmax - qmin,
//        min = rha((qmin - z) s_y / (s_x s_w)), recip = floor(levels 2^31 / range),
//        range = trunc((qmax - qmin) s_y / (s_x s_w) + 1/2)
//        Hexagon NN's supernode
//   R9   rne((f32(acc) (x) m) (+) f32(bias / s_y)) + z
//        TensorRT's documented float epilogue
//   R10  rne(f32(acc) (x) m19) + z      m19: m of R1 without its low 13 mantissa bits
//        Huawei Ascend's documented AscendRequant
//
// source     the libraries named; PyTorch aten/quantized/cpu, XNNPACK requantization, TFLite
//            kernels/internal/common, TVM relay/quantize/realize, Hexagon NN op_supernode
// exactness  exact
// tests      tests/requantize_test.cc (rational arithmetic, ties), tests/onnx_nodes_test.cc
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "quant/fixed_point.h"

namespace gradus {

enum class RequantizeRule {
    none,  // nothing is requantized: accumulators become floats
    r1,
    r1b,
    r1c,
    r1f,
    r2,
    r3,
    r5,
    r8,
    r9,
    r10,
};

// True if a bias stays a float that is added after the accumulator.
constexpr bool has_real_bias(RequantizeRule rule) {
    return rule == RequantizeRule::r1c || rule == RequantizeRule::r1f || rule == RequantizeRule::r9;
}

// The output grid.
struct OutputGrid {
    float scale;
    int32_t zero_point;
    int32_t qmin, qmax;
};

// The constants of a rule for one channel; unused ones are 0.
struct RequantizeConstants {
    float multiplier = 0.0f;
    float bias = 0.0f;         // R1c, R1f, R9
    float bias_factor = 1.0f;  // R1f: converts the bias to accumulators, within the sum
    int64_t integer = 0;       // R2, R3: Q31; R8: recip
    int32_t shift = 0;         // R2, R3: exponent; R5: k
    int32_t offset = 0;        // R8: min, in accumulators
};

// The last value before a rule rounds; quant/rule_steps.h shows it.
HOST_DEVICE inline float r1_value(int32_t acc, float m) {
    return static_cast<float>(acc) * m;
}
HOST_DEVICE inline float biased(int32_t acc, float bias) {
    return static_cast<float>(acc) + bias;
}
HOST_DEVICE inline float r1c_value(int32_t acc, float m, float bias, int32_t z) {
    return biased(acc, bias) * m + static_cast<float>(z);
}
HOST_DEVICE inline float r1f_biased(int32_t acc, float bias, float factor) {
    return fmaf(bias, factor, static_cast<float>(acc));
}
HOST_DEVICE inline float r1f_value(int32_t acc, float m, float bias, float factor) {
    return r1f_biased(acc, bias, factor) * m;
}
HOST_DEVICE inline float r9_value(int32_t acc, float m, float bias) {
    return static_cast<float>(acc) * m + bias;
}
// The product in units of 2^-31.
HOST_DEVICE inline int64_t r8_product(int32_t acc, int64_t recip, int32_t min) {
    int64_t above = static_cast<int64_t>(acc) - min;
    // A gain above 1 saturates long before the product leaves 64 bits.
    if (recip > INT32_MAX) above = clamp_integer(above, -(1 << 23), 1 << 23);
    return above * recip;
}
HOST_DEVICE inline int64_t r8_level(int32_t acc, int64_t recip, int32_t min) {
    return shift_half_up(r8_product(acc, recip, min), 31);
}

HOST_DEVICE inline int32_t r1_requantize(int32_t acc, float m, int32_t z, int32_t lo, int32_t hi) {
    return clamp_code(round_half_even(r1_value(acc, m)) + static_cast<float>(z), lo, hi);
}

HOST_DEVICE inline int32_t r1c_requantize(int32_t acc, float m, float bias, int32_t z, int32_t lo,
                                          int32_t hi) {
    return clamp_code(round_half_even(r1c_value(acc, m, bias, z)), lo, hi);
}

HOST_DEVICE inline int32_t r1f_requantize(int32_t acc, float m, float bias, float factor, int32_t z,
                                          int32_t lo, int32_t hi) {
    return clamp_code(round_half_even(r1f_value(acc, m, bias, factor)) + static_cast<float>(z), lo,
                      hi);
}

HOST_DEVICE inline int32_t r2_requantize(int32_t acc, Q31 m, int32_t z, int32_t lo, int32_t hi) {
    return clamp_integer(int64_t{multiply_double_rounding(acc, m)} + z, lo, hi);
}

HOST_DEVICE inline int32_t r3_requantize(int32_t acc, Q31 m, int32_t z, int32_t lo, int32_t hi) {
    return clamp_integer(multiply_single_rounding(acc, m) + z, lo, hi);
}

// k in [-31, 62].
HOST_DEVICE inline int32_t r5_requantize(int64_t acc, int32_t k, int32_t z, int32_t lo,
                                         int32_t hi) {
    const int64_t v = k > 0 ? shift_half_up(acc, k) : acc * (int64_t{1} << -k);
    return clamp_integer(v + z, lo, hi);
}

HOST_DEVICE inline int32_t r8_requantize(int32_t acc, int64_t recip, int32_t min, int32_t qmin,
                                         int32_t qmax, int32_t lo, int32_t hi) {
    const int64_t level = r8_level(acc, recip, min);
    return clamp_integer(int64_t{qmin} + clamp_integer(level, 0, qmax - qmin), lo, hi);
}

HOST_DEVICE inline int32_t r9_requantize(int32_t acc, float m, float bias, int32_t z, int32_t lo,
                                         int32_t hi) {
    return clamp_code(round_half_even(r9_value(acc, m, bias)) + static_cast<float>(z), lo, hi);
}

// The upper 19 bits of a float: sign, exponent, 10 bits of mantissa; truncates the rest.
inline float ascend_scale(float m) {
    return std::bit_cast<float>(std::bit_cast<uint32_t>(m) & 0xFFFFE000u);
}

// Rounds one accumulator by `rule`. `y.qmin` and `y.qmax` are the format's, lo and hi the clamp
// within.
HOST_DEVICE inline int32_t requantize_value(RequantizeRule rule, int32_t acc,
                                            const RequantizeConstants& k, const OutputGrid& y,
                                            int32_t lo, int32_t hi) {
    const int32_t z = y.zero_point;
    switch (rule) {
        case RequantizeRule::r1c:
            return r1c_requantize(acc, k.multiplier, k.bias, z, lo, hi);
        case RequantizeRule::r1f:
            return r1f_requantize(acc, k.multiplier, k.bias, k.bias_factor, z, lo, hi);
        case RequantizeRule::r2:
            return r2_requantize(acc, {static_cast<int32_t>(k.integer), k.shift}, z, lo, hi);
        case RequantizeRule::r3:
            return r3_requantize(acc, {static_cast<int32_t>(k.integer), k.shift}, z, lo, hi);
        case RequantizeRule::r5:
            return r5_requantize(acc, k.shift, z, lo, hi);
        case RequantizeRule::r8:
            return r8_requantize(acc, k.integer, k.offset, y.qmin, y.qmax, lo, hi);
        case RequantizeRule::r9:
            return r9_requantize(acc, k.multiplier, k.bias, z, lo, hi);
        default:
            return r1_requantize(acc, k.multiplier, z, lo, hi);
    }
}

// The constants of one channel. `bias` is a float in real units, for rules that keep it a float;
// `per_channel` is true if the layer has a scale for each channel. Error(usage): R5 with scales
// that are not powers of two.
RequantizeConstants requantize_constants(RequantizeRule rule, float input_scale, float weight_scale,
                                         const OutputGrid& y, float bias, bool per_channel);

// Why the constants of a channel do not represent its scales, empty if they do: a float bias that
// is not finite; R8's min beyond int32, or a range beyond it, whose reciprocal has lost its bits.
std::string requantize_refusal(RequantizeRule rule, const RequantizeConstants& k,
                               const OutputGrid& y);

// "R1b"; an unknown name is a usage error with the list.
const char* rule_name(RequantizeRule rule);
RequantizeRule find_requantize_rule(const std::string& name);

}  // namespace gradus
