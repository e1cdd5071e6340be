#include "quant/rule_steps.h"

#include <cstdlib>

namespace gradus {

namespace {

// What is rounded last, exactly: a float, or an integer over a power of two.
struct Fraction {
    double value;
    bool tie;
};

Fraction fraction(float v) {
    return {v, v - round_down(v) == 0.5f};
}

Fraction fraction(int64_t v, int shift) {
    if (shift <= 0) return {ldexp(static_cast<double>(v), -shift), false};
    const int64_t half = int64_t{1} << (shift - 1);
    return {ldexp(static_cast<double>(v), -shift), (v & (2 * half - 1)) == half};
}

// The last rounding of multiply_double_rounding and of multiply_single_rounding.
Fraction twice_rounded(int32_t a, Q31 m) {
    return fraction(int64_t{rounded_product(a, m)}, right_shift(m));
}
Fraction once_rounded(int32_t a, Q31 m) {
    return fraction(static_cast<int64_t>(a) * m.value, 31 - m.exponent);
}

Q31 q31(const RequantizeConstants& k) {
    return {static_cast<int32_t>(k.integer), k.shift};
}

Fraction last_rounding(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                       const OutputGrid& y) {
    switch (rule) {
        case RequantizeRule::r1c:
            return fraction(r1c_value(acc, k.multiplier, k.bias, y.zero_point));
        case RequantizeRule::r1f:
            return fraction(r1f_value(acc, k.multiplier, k.bias, k.bias_factor));
        case RequantizeRule::r2:
            return twice_rounded(acc, q31(k));
        case RequantizeRule::r3:
            return once_rounded(acc, q31(k));
        case RequantizeRule::r5:
            return fraction(int64_t{acc}, k.shift);
        case RequantizeRule::r8:
            return fraction(r8_product(acc, k.integer, k.offset), 31);
        case RequantizeRule::r9:
            return fraction(r9_value(acc, k.multiplier, k.bias));
        default:
            return fraction(r1_value(acc, k.multiplier));
    }
}

std::vector<double> terms_of(RequantizeRule rule, int32_t acc, const RequantizeConstants& k) {
    switch (rule) {
        case RequantizeRule::r1c:
            return {biased(acc, k.bias)};
        case RequantizeRule::r1f:
            return {r1f_biased(acc, k.bias, k.bias_factor)};
        case RequantizeRule::r2:
        case RequantizeRule::r3:
        case RequantizeRule::r5:
            return {};
        case RequantizeRule::r8:
            return {static_cast<double>(int64_t{acc} - k.offset)};
        case RequantizeRule::r9:
            return {r1_value(acc, k.multiplier)};
        default:
            return {static_cast<float>(acc)};
    }
}

// R8 counts levels from the lowest code; its rounding is that of the level.
RuleSteps level_steps(int32_t acc, const RequantizeConstants& k, const OutputGrid& y) {
    const int64_t level = r8_level(acc, k.integer, k.offset);
    RuleSteps steps;
    steps.rounded = clamp_integer(level, INT32_MIN, kWidestCode);
    steps.with_zero = clamp_integer(level + y.qmin, INT32_MIN, kWidestCode);
    return steps;
}

RuleSteps unclamped_steps(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                          const OutputGrid& y) {
    if (rule == RequantizeRule::r8) return level_steps(acc, k, y);
    const auto unclamped = [&](int32_t zero_point) {
        const OutputGrid grid{y.scale, zero_point, y.qmin, y.qmax};
        return requantize_value(rule, acc, k, grid, INT32_MIN, kWidestCode);
    };
    RuleSteps steps;
    steps.rounded = unclamped(rule == RequantizeRule::r1c ? y.zero_point : 0);
    steps.with_zero = unclamped(y.zero_point);
    return steps;
}

Fraction last_rounding(AddRule rule, int32_t a, int32_t b, const AddConstants& k) {
    using namespace add_rules;
    switch (rule) {
        case AddRule::onnxruntime:
            return fraction(onnxruntime_value(a, b, k));
        case AddRule::tflite:
            return twice_rounded(tflite_sum(a, b, k, multiply_double_rounding), k.y_q31);
        case AddRule::tflite_single:
            return once_rounded(tflite_sum(a, b, k, multiply_single_rounding), k.y_q31);
        case AddRule::xnnpack:
        case AddRule::qnnpack:
            return fraction(fixed_sum(a, b, k), k.shift);
        case AddRule::torch:
            return fraction(torch_value(a, b, k));
        case AddRule::tvm:
            return fraction(tvm_sum(a, b, k), k.shift);
        case AddRule::hexagon:
            return fraction(int64_t{hexagon_moved(a, b, k)}, k.shift);
        default:
            return fraction(real_value(a, b, k));
    }
}

// The other rules round the raw sum.
bool centres(PoolRule rule) {
    return rule == PoolRule::real || rule == PoolRule::mean || rule == PoolRule::mean_single;
}

Fraction last_rounding(PoolRule rule, int32_t sum, int32_t count, const AverageConstants& k,
                       int32_t centred) {
    switch (rule) {
        case PoolRule::mean:
            return twice_rounded(centred, k.q31);
        case PoolRule::mean_single:
            return once_rounded(centred, k.q31);
        case PoolRule::half_away:
        case PoolRule::truncated:
            return {static_cast<double>(sum) / count, 2 * std::abs(sum % count) == count};
        case PoolRule::mantissa:
            return fraction(static_cast<int64_t>(sum) * k.integer, k.shift);
        default:
            return fraction(r1_value(centred, k.multiplier));
    }
}

template <class T>
std::vector<double> pair(T left, T right) {
    return {static_cast<double>(left), static_cast<double>(right)};
}

std::vector<double> terms_of(AddRule rule, int32_t a, int32_t b, const AddConstants& k) {
    using namespace add_rules;
    const int32_t za = k.a.zero_point, zb = k.b.zero_point;
    switch (rule) {
        case AddRule::onnxruntime:
            return {onnxruntime_inner(b, k)};
        case AddRule::tflite:
            return pair(tflite_term(a, za, k.a_q31, multiply_double_rounding),
                        tflite_term(b, zb, k.b_q31, multiply_double_rounding));
        case AddRule::tflite_single:
            return pair(tflite_term(a, za, k.a_q31, multiply_single_rounding),
                        tflite_term(b, zb, k.b_q31, multiply_single_rounding));
        case AddRule::xnnpack:
        case AddRule::qnnpack:
            return pair(fixed_term(a, za, k.a_integer), fixed_term(b, zb, k.b_integer));
        case AddRule::torch:
            return pair(torch_term(a, k.a_ratio, k.a_offset), torch_term(b, k.b_ratio, k.b_offset));
        case AddRule::tvm:
            return pair(tvm_term(a, za, k.a_integer), tvm_term(b, zb, k.b_integer));
        case AddRule::hexagon:
            return pair(hexagon_sum(a, b, k), hexagon_moved(a, b, k));
        default:
            return pair(real_term(a, za, k.a_ratio), real_term(b, zb, k.b_ratio));
    }
}

void set_value(RuleSteps& steps, const Fraction& fraction, CodeBounds bounds) {
    steps.value = fraction.value;
    steps.tie = fraction.tie;
    steps.lowest = bounds.lo;
    steps.highest = bounds.hi;
}

}  // namespace

std::vector<const char*> term_names(RequantizeRule rule) {
    switch (rule) {
        case RequantizeRule::r1c:
        case RequantizeRule::r1f:
            return {"float + bias"};
        case RequantizeRule::r2:
        case RequantizeRule::r3:
        case RequantizeRule::r5:
            return {};
        case RequantizeRule::r8:
            return {"above min"};
        case RequantizeRule::r9:
            return {"times multiplier"};
        default:
            return {"as float"};
    }
}

std::vector<const char*> term_names(AddRule rule) {
    if (rule == AddRule::onnxruntime) return {"b and zero points"};
    if (rule == AddRule::hexagon) return {"16-bit sum", "with offset"};
    return {"from a", "from b"};
}

std::vector<const char*> term_names(PoolRule rule) {
    if (centres(rule)) return {"centred"};
    return {};
}

RuleSteps rule_steps(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                     const OutputGrid& y) {
    RuleSteps steps = unclamped_steps(rule, acc, k, y);
    steps.terms = terms_of(rule, acc, k);
    steps.code = requantize_value(rule, acc, k, y, y.qmin, y.qmax);
    set_value(steps, last_rounding(rule, acc, k, y), {y.qmin, y.qmax});
    return steps;
}

RuleSteps rule_steps(AddRule rule, int32_t a, int32_t b, const AddConstants& k, CodeBounds bounds) {
    AddConstants without_zero = k;
    without_zero.y.zero_point = 0;
    RuleSteps steps;
    steps.terms = terms_of(rule, a, b, k);
    steps.rounded = residual_add_value(rule, a, b, without_zero, INT32_MIN, kWidestCode);
    steps.with_zero = residual_add_value(rule, a, b, k, INT32_MIN, kWidestCode);
    steps.code = residual_add_value(rule, a, b, k, bounds.lo, bounds.hi);
    set_value(steps, last_rounding(rule, a, b, k), bounds);
    return steps;
}

RuleSteps rule_steps(PoolRule rule, int32_t sum, int32_t count, const AverageConstants& k,
                     int32_t zero_point, CodeBounds bounds) {
    const int32_t centred = sum - count * zero_point;
    RuleSteps steps;
    if (centres(rule)) steps.terms = {static_cast<double>(centred)};
    steps.with_zero = average_code(rule, sum, count, k, zero_point, INT32_MIN, kWidestCode);
    steps.rounded = steps.with_zero - (centres(rule) ? zero_point : 0);
    steps.code = average_code(rule, sum, count, k, zero_point, bounds.lo, bounds.hi);
    set_value(steps, last_rounding(rule, sum, count, k, centred), bounds);
    return steps;
}

}  // namespace gradus
