#include "quant/residual_add.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

AddConstants grids_alone(const CodeGrid& a, const CodeGrid& b, const CodeGrid& y) {
    AddConstants k;
    k.a = a;
    k.b = b;
    k.y = y;
    return k;
}

AddConstants ratio_constants(AddConstants k) {
    k.a_ratio = k.a.scale / k.y.scale;
    k.b_ratio = k.b.scale / k.y.scale;
    return k;
}

// onnxruntime's compiler fuses the first product of the zero points into their sum.
AddConstants onnxruntime_constants(AddConstants k) {
    k = ratio_constants(k);
    const float zeros = fmaf(k.a_ratio, static_cast<float>(k.a.zero_point),
                             k.b_ratio * static_cast<float>(k.b.zero_point));
    k.a_offset = static_cast<float>(k.y.zero_point) - zeros;
    return k;
}

AddConstants tflite_constants(AddConstants k) {
    const double twice = 2.0 * std::max(k.a.scale, k.b.scale);
    k.a_q31 = q31_of(k.a.scale / twice);
    k.b_q31 = q31_of(k.b.scale / twice);
    k.y_q31 =
        q31_of(twice / ((1 << add_rules::tflite_left_shift) * static_cast<double>(k.y.scale)));
    return k;
}

int32_t rounded(double v) {
    return clamp_integer(static_cast<int64_t>(std::fmin(v, 1e9)), 0, 1 << 30);
}

// The larger multiplier lies in [2^bits, 2^(bits + 1)).
AddConstants fixed_constants(AddConstants k, int bits) {
    k = ratio_constants(k);
    int exponent = 0;
    frexpf(std::max(k.a_ratio, k.b_ratio), &exponent);
    k.shift = clamp_integer(bits - (exponent - 1), 0, 62);
    k.a_integer = rounded(round_half_even(ldexpf(k.a_ratio, k.shift)));
    k.b_integer = rounded(round_half_even(ldexpf(k.b_ratio, k.shift)));
    return k;
}

AddConstants torch_constants(AddConstants k) {
    k.a_ratio = k.a.scale;
    k.b_ratio = k.b.scale;
    k.a_offset = -(k.a.scale * static_cast<float>(k.a.zero_point));
    k.b_offset = -(k.b.scale * static_cast<float>(k.b.zero_point));
    k.y_ratio = 1.0f / k.y.scale;
    return k;
}

int exponent_of(float scale) {
    int exponent = 0;
    check_kind(frexpf(scale, &exponent) == 0.5f, ErrorKind::usage,
               "TVM's addition shifts: every scale must be a power of two; ", scale, " is none");
    return exponent;
}

AddConstants tvm_constants(AddConstants k) {
    const int a = exponent_of(k.a.scale), b = exponent_of(k.b.scale), y = exponent_of(k.y.scale);
    const int finer = std::min(a, b);
    // Beyond these every sum except 0 saturates 8-bit codes, or rounds to 0.
    k.a_integer = std::min(a - finer, 40);
    k.b_integer = std::min(b - finer, 40);
    k.shift = clamp_integer(y - finer, -13, 62);
    return k;
}

AddConstants hexagon_constants(AddConstants k) {
    const float per_unit = 1.0f / k.y.scale;
    const float a = per_unit * k.a.scale, b = per_unit * k.b.scale;
    int exponent = 0;
    frexpf((a + b) * static_cast<float>(16384.0 / 16380.0), &exponent);
    k.shift = clamp_integer(6 - exponent, -6, 7);
    const double unit = std::ldexp(1.0, k.shift);
    k.a_integer = rounded(std::fmin(round_half_away(a * (unit * 256.0)), 16383.0));
    k.b_integer = rounded(std::fmin(round_half_away(b * (unit * 256.0)), 16383.0));
    const int32_t zero = add_rules::hexagon_sum(k.a.zero_point, k.b.zero_point, k);
    k.offset = k.y.zero_point * (1 << add_rules::hexagon_last_shift(k.shift)) - zero;
    if (k.shift > 0) k.offset = clamp_integer(int64_t{k.offset}, INT16_MIN, INT16_MAX);
    return k;
}

}  // namespace

AddConstants add_constants(AddRule rule, const CodeGrid& a, const CodeGrid& b, const CodeGrid& y) {
    const AddConstants k = grids_alone(a, b, y);
    switch (rule) {
        case AddRule::onnxruntime:
            return onnxruntime_constants(k);
        case AddRule::tflite:
        case AddRule::tflite_single:
            return tflite_constants(k);
        case AddRule::xnnpack:
            return fixed_constants(k, 20);
        case AddRule::qnnpack:
            return fixed_constants(k, 21);
        case AddRule::torch:
            return torch_constants(k);
        case AddRule::tvm:
            return tvm_constants(k);
        case AddRule::hexagon:
            return hexagon_constants(k);
        default:
            return ratio_constants(k);
    }
}

std::string add_refusal(AddRule rule, const CodeGrid& a, const CodeGrid& b, const CodeGrid& y) {
    const float left = a.scale / y.scale, right = b.scale / y.scale;
    const std::string ratios =
        join("the ratios of input to output scale are ", left, " and ", right, "; ");
    const auto outside = [&](float lo) {
        return std::min(left, right) < lo || std::max(left, right) >= 256.0f;
    };
    if (rule == AddRule::xnnpack && outside(0x1p-10f)) {
        return ratios + "XNNPACK needs both in [2^-10, 2^8)";
    }
    if (rule == AddRule::qnnpack && outside(0x1p-14f)) {
        return ratios + "QNNPACK needs both in [2^-14, 2^8)";
    }
    if (rule == AddRule::hexagon && !((left + right) * (16384.0f / 16380.0f) < 4096.0f)) {
        return ratios + "Hexagon NN needs their sum below 4095";
    }
    const float finer = std::min(left, right), coarser = std::max(left, right);
    if (rule == AddRule::tvm && coarser > finer * 0x1p23f) {
        return ratios + "TVM's int32 holds codes on the finer scale up to 2^23 times apart";
    }
    return "";
}

const char* rule_name(AddRule rule) {
    const char* names[] = {"float",   "onnxruntime", "tflite", "tflite-single", "xnnpack",
                           "qnnpack", "torch",       "tvm",    "hexagon",       "real"};
    return names[static_cast<int>(rule)];
}

}  // namespace gradus
