// fixed_point -- the integer arithmetic of gemmlowp and TFLite: products of int32 with a Q31
// multiplier, and shifts that round.
//
// source     gemmlowp fixedpoint/fixedpoint.h; TFLite QuantizeMultiplier
// exactness  exact; closed forms that equal gemmlowp's functions for every int32
// tests      tests/fixed_point_test.cc: gemmlowp's own header on ten million inputs
#pragma once

#include <cmath>
#include <cstdint>

#include "quant/numerics.h"

namespace gradus {

HOST_DEVICE inline int32_t clamp_integer(int64_t v, int64_t lo, int64_t hi) {
    return static_cast<int32_t>(v < lo ? lo : v > hi ? hi : v);
}
HOST_DEVICE inline int32_t saturate_int32(int64_t v) {
    return clamp_integer(v, INT32_MIN, INT32_MAX);
}

// floor((a b + 2^30) / 2^31): the doubled high half, ties up. Saturates for a = b = INT32_MIN.
HOST_DEVICE inline int32_t doubling_high_product(int32_t a, int32_t b) {
    return saturate_int32((static_cast<int64_t>(a) * b + (int64_t{1} << 30)) >> 31);
}

// floor(v / 2^shift + 1/2): ties up. 0 <= shift <= 62.
HOST_DEVICE inline int64_t shift_half_up(int64_t v, int shift) {
    return shift == 0 ? v : ((v >> (shift - 1)) + 1) >> 1;
}

// v / 2^shift to the nearest, ties away from zero. 0 <= shift <= 62.
HOST_DEVICE inline int64_t shift_half_away(int64_t v, int shift) {
    const int64_t magnitude = shift_half_up(v < 0 ? -v : v, shift);
    return v < 0 ? -magnitude : magnitude;
}

// m = value 2^(exponent - 31), value in [2^30, 2^31) or 0.
struct Q31 {
    int32_t value = 0;
    int32_t exponent = 0;
};
inline Q31 q31_of(double m) {
    int exponent = 0;
    const double fraction = frexp(m, &exponent);
    int64_t value = static_cast<int64_t>(round_half_away(fraction * 2147483648.0));
    if (value == int64_t{1} << 31) {
        value /= 2;
        ++exponent;
    }
    if (exponent < -31) return {};
    return {static_cast<int32_t>(value), exponent};
}

// a m with two roundings: up after the product, away from zero after the shift to the right.
HOST_DEVICE inline int right_shift(Q31 m) {
    return m.exponent > 0 ? 0 : -m.exponent;
}
HOST_DEVICE inline int32_t rounded_product(int32_t a, Q31 m) {
    const int left = m.exponent > 0 ? m.exponent : 0;
    const int32_t shifted = left > 31 ? saturate_int32(static_cast<int64_t>(a) << 31)
                                      : saturate_int32(static_cast<int64_t>(a) << left);
    return doubling_high_product(shifted, m.value);
}
HOST_DEVICE inline int32_t multiply_double_rounding(int32_t a, Q31 m) {
    return static_cast<int32_t>(shift_half_away(rounded_product(a, m), right_shift(m)));
}

// a m with one rounding, ties up.
HOST_DEVICE inline int64_t multiply_single_rounding(int32_t a, Q31 m) {
    const int64_t product = static_cast<int64_t>(a) * m.value;
    return m.exponent > 30 ? saturate_int32(product) : shift_half_up(product, 31 - m.exponent);
}

}  // namespace gradus
