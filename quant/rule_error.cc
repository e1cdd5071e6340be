#include "quant/rule_error.h"

#include <algorithm>
#include <cmath>

namespace gradus {

namespace {

constexpr double kQ31 = 0x1p-30;  // twice the rounding of a Q31 multiplier

constexpr double kMeanMultiplier = 0x1p-29;  // TFLite's 1 / n is cut off and above 2^29

// The error of the first of two roundings.
double first_rounding(Q31 m) {
    return right_shift(m) > 0 ? std::ldexp(0.5, -right_shift(m)) : 0.0;
}

// A multiplier below 2^-32 is stored as 0.
double q31_error(Q31 m, double mass) {
    return m.value == 0 ? mass : kQ31 * mass;
}

// min and range are rounded to whole accumulators, recip to 2^-31 of one.
double reciprocal_error(const RequantizeConstants& k, const OutputGrid& y) {
    if (k.integer == 0) return INFINITY;
    const auto recip = static_cast<double>(k.integer);
    return recip * 0x1p-31 + (y.qmax - y.qmin) / recip;
}

}  // namespace

double requantize_error(RequantizeRule rule, const RequantizeConstants& k, const OutputGrid& y,
                        double mass) {
    const Q31 m{static_cast<int32_t>(k.integer), k.shift};
    switch (rule) {
        case RequantizeRule::r1c:
            return 16 * kUnitRoundoff * (mass + std::abs(y.zero_point));
        case RequantizeRule::r2:
            return q31_error(m, mass) + first_rounding(m);
        case RequantizeRule::r3:
            return q31_error(m, mass);
        case RequantizeRule::r5:
            return 0.0;
        case RequantizeRule::r8:
            return reciprocal_error(k, y);
        case RequantizeRule::r10:
            return (0x1p-10 + 8 * kUnitRoundoff) * mass;
        default:
            return 16 * kUnitRoundoff * mass;
    }
}

double add_error(AddRule rule, const AddConstants& k, double a, double b) {
    const double ra = static_cast<double>(k.a.scale) / k.y.scale;
    const double rb = static_cast<double>(k.b.scale) / k.y.scale;
    const double mass = a * ra + b * rb;
    const double zeros = std::abs(k.a.zero_point) * ra + std::abs(k.b.zero_point) * rb;
    switch (rule) {
        case AddRule::onnxruntime:
            return 16 * kUnitRoundoff * (mass + zeros + std::abs(k.y.zero_point));
        case AddRule::torch:
            return 16 * kUnitRoundoff * (mass + zeros);
        case AddRule::tflite:
        case AddRule::tflite_single: {
            const double step =
                2 * std::max(ra, rb) * std::ldexp(1.0, -add_rules::tflite_left_shift);
            const double last = rule == AddRule::tflite ? first_rounding(k.y_q31) : 0.0;
            return 2 * step + 2 * kQ31 * mass + last;
        }
        case AddRule::xnnpack:
        case AddRule::qnnpack:
            return (a + b) * std::ldexp(0.5, -k.shift) + 4 * kUnitRoundoff * mass;
        case AddRule::tvm:
            return 0.0;
        case AddRule::hexagon:
            return std::ldexp(3.0, -k.shift) + 16 * kUnitRoundoff * (mass + zeros);
        default:
            return 16 * kUnitRoundoff * mass;
    }
}

double average_error(PoolRule rule, const AverageConstants& k, int32_t count, int32_t z,
                     double average) {
    switch (rule) {
        case PoolRule::mean:
            return kMeanMultiplier * average + first_rounding(k.q31);
        case PoolRule::mean_single:
            return kMeanMultiplier * average;
        case PoolRule::xnnpack:
            return 16 * kUnitRoundoff * (average + std::abs(z));
        case PoolRule::half_away:
            return 0.0;
        case PoolRule::truncated:
            return 0.5;
        case PoolRule::mantissa: {
            // Rounds the sum to steps of 2^(shift - 8) / n codes, within half a step, and the
            // product to 2^-6 codes, within a whole one.
            const double gain = std::ldexp(k.integer, -13 - k.shift) * count;
            return std::abs(gain - 1.0) * (average + std::abs(z)) +
                   std::ldexp(0.5 / count, k.shift - 8) + 0x1p-6;
        }
        case PoolRule::float_sum:  // every addition of the window rounds
            return (count + 16) * kUnitRoundoff * average + 2 * kUnitRoundoff * std::abs(z);
        default:
            return 16 * kUnitRoundoff * average;
    }
}

}  // namespace gradus
