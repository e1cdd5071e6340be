// numerics -- THE contract: where a real number becomes an integer code.
//
//   q     = clamp(round_half_even(x / s) + z, qmin, qmax)     true division, zero point after
//                                                             rounding, clamp last; NaN -> qmin
//   x_hat = s (q - z)                                         tensor/affine.h
//
// Compiled for host and device from these lines. Rounding to integers happens here and in
// fixed_point.h, of which the rules of requantize.h, residual_add.h and average.h are made. Compile
// with -ffp-contract=off and --fmad=false.
// source     MQBench, Eq. 1; ONNX QuantizeLinear
// exactness  exact: the same bits on every device
// tests      tests/numerics_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/affine.h"
#include "tensor/kernel.h"

namespace gradus {

// The nearest integer, ties to even.
HOST_DEVICE inline float round_half_even(float v) {
    return rintf(v);
}
HOST_DEVICE inline double round_half_even(double v) {
    return rint(v);
}

// The nearest integer, ties away from zero.
HOST_DEVICE inline double round_half_away(double v) {
    return round(v);
}

// The largest integer not above v.
HOST_DEVICE inline float round_down(float v) {
    return floorf(v);
}
HOST_DEVICE inline double round_down(double v) {
    return floor(v);
}

// Clamps an integer-valued float to [qmin, qmax]; NaN goes to qmin.
HOST_DEVICE inline int32_t clamp_code(float q, int32_t qmin, int32_t qmax) {
    const float lo = static_cast<float>(qmin);
    const float hi = static_cast<float>(qmax);
    const float above = q > lo ? q : lo;
    return static_cast<int32_t>(above < hi ? above : hi);
}

HOST_DEVICE inline int32_t quantize_value(float x, float s, int32_t z, int32_t qmin, int32_t qmax) {
    return clamp_code(round_half_even(x / s) + static_cast<float>(z), qmin, qmax);
}

// Rounds the learned real zero point to the integer in use: clip(rne(z), qmin, qmax).
HOST_DEVICE inline int32_t round_zero_point(float z, int32_t qmin, int32_t qmax) {
    return clamp_code(round_half_even(z), qmin, qmax);
}

// An int32 bias code at the accumulator's scale: saturating rne(b / s). NaN -> INT32_MIN.
HOST_DEVICE inline int32_t quantize_bias_value(float b, float accumulator_scale) {
    const float q = round_half_even(b / accumulator_scale);
    if (q >= 2147483648.0f) return INT32_MAX;
    if (q >= -2147483648.0f) return static_cast<int32_t>(q);
    return INT32_MIN;
}

// 2^rne(log2 s) for s > 0 from the bits of s: no libm, the same everywhere (MQBench's power-of-two
// scales). The geometric midpoint is sqrt(2); no float lies on it.
HOST_DEVICE inline float power_of_two_scale(float s) {
    int exponent = 0;
    const float mantissa = frexpf(s, &exponent);  // s = mantissa 2^exponent, mantissa in [0.5, 1)
    return ldexpf(1.0f, mantissa > 0.70710678118654752f ? exponent : exponent - 1);
}

// 2^ceil(log2_threshold): the power of two at or above a threshold (TQT).
HOST_DEVICE inline float power_of_two_above(float log2_threshold) {
    return ldexpf(1.0f, static_cast<int>(ceilf(log2_threshold)));
}

// Learned rounding (AdaRound) chooses between floor(x / s) and the next integer.
HOST_DEVICE inline float integer_below(float x, float s) {
    return floorf(x / s);
}
HOST_DEVICE inline double integer_below(double x, double s) {
    return floor(x / s);
}
HOST_DEVICE inline int32_t learned_code(float x, float s, bool up, int32_t z, int32_t qmin,
                                        int32_t qmax) {
    const float q = integer_below(x, s) + (up ? 1.0f : 0.0f);
    return clamp_code(q + static_cast<float>(z), qmin, qmax);
}

}  // namespace gradus
