// average -- how hardware libraries rescale a sum of codes to the codes' own grid.
//
//   q = clamp((sum - n z) / n + z, qmin, qmax)
//
//   real        rne((sum - n z) (x) f32(s / f32(s n))) + z       onnxruntime, QNNPACK
//   reciprocal  the same with f32(1 / n)                         PyTorch's fbgemm and onednn
//               in channels-last memory, as its convolutions leave it; tensors in NCHW are
//               averaged by other formulas (docs/hardware.md)
//   float_sum   rne(f32(sum of f32(s (q - z)) / n) / s (+) z), each addition, division and (+)
//               rounded to float, in row-major order             onnxruntime, windows
//   mean        the centred sum by R2 with TFLite's multiplier of 1 / n, see below    TFLite MEAN
//   mean_single the same by R3
//   xnnpack     rne((sum (x) m) (+) (z (-) (n z (x) m))), m = f32(1 / n)       XNNPACK's mean
//   half_away   integer division of the raw sum, half away       TFLite AVERAGE_POOL
//   truncated   integer division of the raw sum, toward zero     TVM
//   mantissa    raw sum to 16 bits, times 15 bits of 1/n, shifted: three roundings   Hexagon NN
//
// source     onnxruntime QLinearGlobalAveragePool, QLinearAveragePool; PyTorch qavg_pool2d and
//            qadaptive_avg_pool2d, QNNPACK q8avgpool; TFLite reference integer_ops/pooling and
//            QuantizedMeanOrSum; XNNPACK as LiteRT 2.3 calls it, by its codes; TVM topi; Hexagon NN
//            op_avgpool_d32, reference path
// exactness  exact
// tests      tests/average_rules_test.cc: every residue, and windows of onnxruntime and PyTorch
#pragma once

#include <bit>
#include <vector>

#include "quant/requantize.h"

namespace gradus {

enum class PoolRule {
    none,
    real,
    mean,
    mean_single,
    xnnpack,
    half_away,
    truncated,
    mantissa,
    reciprocal,
    float_sum
};
constexpr PoolRule kLastPoolRule = PoolRule::float_sum;

const char* rule_name(PoolRule rule);

struct AverageConstants {
    float multiplier = 0.0f;         // real, reciprocal, xnnpack; float_sum: that of real
    float scale = 0.0f;              // float_sum
    Q31 q31;                         // mean, mean_single
    int32_t integer = 0, shift = 0;  // mantissa
};

// The content of a window: the sum of its codes; for float_sum also the sum of f32(s (q - z)),
// added in row-major order.
struct WindowSum {
    int32_t codes;
    float floats;
};

// onnxruntime and QNNPACK multiply the output's scale by the count first.
HOST_DEVICE inline float average_multiplier(float scale, int32_t count) {
    return scale / (scale * static_cast<float>(count));
}

// The Q31 multiplier 1 for equal scales, 2^30 with exponent 1, divided by the count: truncated, and
// not normalised to [2^30, 2^31).
inline Q31 mean_multiplier(int32_t count) {
    const int log2 = std::bit_width(static_cast<uint32_t>(count)) - 1;
    return {static_cast<int32_t>((int64_t{1} << (30 + log2)) / count), 1 - log2};
}

// The value that XNNPACK rounds: it subtracts and adds the zero point within the float sum.
HOST_DEVICE inline float xnnpack_mean(int32_t sum, int32_t count, float m, int32_t z) {
    const float zeros = static_cast<float>(count * z) * m;
    return static_cast<float>(sum) * m + (static_cast<float>(z) - zeros);
}

inline AverageConstants average_constants(PoolRule rule, float scale, int32_t count) {
    AverageConstants k;
    if (rule == PoolRule::real || rule == PoolRule::float_sum) {
        k.multiplier = average_multiplier(scale, count);
    }
    if (rule == PoolRule::reciprocal || rule == PoolRule::xnnpack) {
        k.multiplier = 1.0f / static_cast<float>(count);
    }
    if (rule == PoolRule::float_sum) k.scale = scale;
    if (rule == PoolRule::mean || rule == PoolRule::mean_single) {
        k.q31 = mean_multiplier(count);
    }
    if (rule == PoolRule::mantissa) {
        while ((int64_t{1} << k.shift) < count) ++k.shift;
        const int64_t twice = (int64_t{1} << (15 + k.shift)) / count;  // of 1/n in 15 bits
        k.integer = static_cast<int32_t>((twice + 1) >> 1);
        ++k.shift;
    }
    return k;
}

// The value that Hexagon NN rounds last, in 64ths of a code: the sum gets 8 fractional bits and is
// rounded to 16 bits; its product with the reciprocal is rounded by adding a whole unit instead of
// half.
HOST_DEVICE inline int64_t mantissa_value(int32_t sum, const AverageConstants& k) {
    const int64_t sixteen_bits =
        clamp_integer(shift_half_up(int64_t{sum} * 256, k.shift), INT16_MIN, INT16_MAX);
    return (sixteen_bits * k.integer + (1 << 15)) >> 15;
}
constexpr int mantissa_last_shift = 6;

// The constants of every count up to `largest`, by count, [0] unused: windows at a border may count
// less.
std::vector<AverageConstants> window_constants(PoolRule rule, float scale, int32_t largest);

// The value that float_sum rounds.
HOST_DEVICE inline float float_sum_value(float sum, int32_t count, float scale, int32_t z) {
    return sum / static_cast<float>(count) / scale + static_cast<float>(z);
}

// Averages `sum`, of `count` codes with zero point z, not centred. Not for float_sum.
HOST_DEVICE inline int32_t average_code(PoolRule rule, int32_t sum, int32_t count,
                                        const AverageConstants& k, int32_t z, int32_t lo,
                                        int32_t hi) {
    const int32_t centred = sum - count * z;
    switch (rule) {
        case PoolRule::mean:
            return r2_requantize(centred, k.q31, z, lo, hi);
        case PoolRule::mean_single:
            return r3_requantize(centred, k.q31, z, lo, hi);
        case PoolRule::xnnpack:
            return clamp_code(round_half_even(xnnpack_mean(sum, count, k.multiplier, z)), lo, hi);
        case PoolRule::half_away:
            return clamp_integer((sum > 0 ? sum + count / 2 : sum - count / 2) / count, lo, hi);
        case PoolRule::truncated:
            return clamp_integer(sum / count, lo, hi);
        case PoolRule::mantissa:
            return clamp_integer(shift_half_up(mantissa_value(sum, k), mantissa_last_shift), lo,
                                 hi);
        default:
            return r1_requantize(centred, k.multiplier, z, lo, hi);
    }
}

// The same for every rule.
HOST_DEVICE inline int32_t average_code(PoolRule rule, WindowSum sum, int32_t count,
                                        const AverageConstants& k, int32_t z, int32_t lo,
                                        int32_t hi) {
    if (rule != PoolRule::float_sum) return average_code(rule, sum.codes, count, k, z, lo, hi);
    const float value = float_sum_value(sum.floats, count, k.scale, z);
    return clamp_code(round_half_even(value), lo, hi);
}

}  // namespace gradus
