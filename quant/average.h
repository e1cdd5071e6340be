// average -- how hardware libraries bring a sum of codes back to the codes' own grid.
//
//   q = clamp((sum - n z) / n + z, qmin, qmax)
//
//   real        rne((sum - n z) (x) f32(s / f32(s n))) + z       onnxruntime, PyTorch, XNNPACK
//               PyTorch so in channels-last memory, as its convolutions leave it; oneDNN's and
//               FBGEMM's engines round the raw mean of tensors in NCHW
//   mean        the centred sum by R2 with m = s / (s n)         TFLite MEAN
//   mean_single the same by R3
//   half_away   integer division of the raw sum, half away       TFLite AVERAGE_POOL
//   truncated   integer division of the raw sum, toward zero     TVM
//   mantissa    raw sum to 16 bits, times 15 bits of 1/n, shifted: three roundings   Hexagon NN
//
// source     onnxruntime QLinearGlobalAveragePool; PyTorch adaptive average pooling; TFLite
//            reference average_pool and mean; TVM topi; Hexagon NN op_avgpool_d32, reference path
// exactness  exact
// tests      tests/average_rules_test.cc: every residue
#pragma once

#include <vector>

#include "quant/requantize.h"

namespace gradus {

enum class PoolRule { none, real, mean, mean_single, half_away, truncated, mantissa };

const char* rule_name(PoolRule rule);

struct AverageConstants {
    float multiplier = 0.0f;         // real
    Q31 q31;                         // mean, mean_single
    int32_t integer = 0, shift = 0;  // mantissa
};

// onnxruntime and PyTorch multiply the output's scale by the count first.
HOST_DEVICE inline float average_multiplier(float scale, int32_t count) {
    return scale / (scale * static_cast<float>(count));
}

inline AverageConstants average_constants(PoolRule rule, float scale, int32_t count) {
    AverageConstants k;
    if (rule == PoolRule::real) k.multiplier = average_multiplier(scale, count);
    if (rule == PoolRule::mean || rule == PoolRule::mean_single) {
        k.q31 = q31_of(static_cast<double>(scale) / (static_cast<double>(scale) * count));
    }
    if (rule == PoolRule::mantissa) {
        while ((int64_t{1} << k.shift) < count) ++k.shift;
        const int64_t twice = (int64_t{1} << (15 + k.shift)) / count;  // of 1/n in 15 bits
        k.integer = static_cast<int32_t>((twice + 1) >> 1);
        ++k.shift;
    }
    return k;
}

// What Hexagon NN rounds last, in 64ths of a code: 8 bits below the point are added to the sum, which
// is rounded to 16 bits; its product with the reciprocal is rounded with a whole unit instead of half.
HOST_DEVICE inline int64_t mantissa_value(int32_t sum, const AverageConstants& k) {
    const int64_t sixteen_bits =
        clamp_integer(shift_half_up(int64_t{sum} * 256, k.shift), INT16_MIN, INT16_MAX);
    return (sixteen_bits * k.integer + (1 << 15)) >> 15;
}
constexpr int mantissa_last_shift = 6;

// Those of every count up to `largest`, by count, [0] unused: windows at a border may count less.
std::vector<AverageConstants> window_constants(PoolRule rule, float scale, int32_t largest);

// `sum` of `count` codes with zero point z, before it is centred.
HOST_DEVICE inline int32_t average_code(PoolRule rule, int32_t sum, int32_t count,
                                        const AverageConstants& k, int32_t z, int32_t lo,
                                        int32_t hi) {
    const int32_t centred = sum - count * z;
    switch (rule) {
        case PoolRule::mean:
            return r2_requantize(centred, k.q31, z, lo, hi);
        case PoolRule::mean_single:
            return r3_requantize(centred, k.q31, z, lo, hi);
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

}  // namespace gradus
