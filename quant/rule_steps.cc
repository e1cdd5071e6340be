#include "quant/rule_steps.h"

#include <cstdlib>

namespace gradus {

namespace {

// The last value before rounding, exactly: a float, or an integer over a power of two.
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

// The rounded integer, and the same with the zero point, before any clamp.
struct Whole {
    int64_t rounded, with_zero;
};

// Floats beyond int64 saturate.
int64_t integer_of(float whole) {
    if (whole >= 0x1p63f) return INT64_MAX;
    return whole >= -0x1p63f ? static_cast<int64_t>(whole) : INT64_MIN;
}

// Adds the zero point to a float in float arithmetic.
Whole rounded(float value, int32_t zero_point) {
    const float whole = round_half_even(value);
    return {integer_of(whole), integer_of(whole + static_cast<float>(zero_point))};
}
Whole rounded_inside(float value) {
    const int64_t whole = integer_of(round_half_even(value));
    return {whole, whole};
}
Whole plus(int64_t whole, int32_t zero_point) {
    return {whole, whole + zero_point};
}

// Divides by 2^shift, ties up, or shifts left: TVM's way.
int64_t moved(int64_t v, int shift) {
    return shift > 0 ? shift_half_up(v, shift) : v * (int64_t{1} << -shift);
}

// R8 counts levels from the lowest code.
Whole unclamped(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                const OutputGrid& y) {
    switch (rule) {
        case RequantizeRule::r1c:
            return rounded_inside(r1c_value(acc, k.multiplier, k.bias, y.zero_point));
        case RequantizeRule::r1f:
            return rounded(r1f_value(acc, k.multiplier, k.bias, k.bias_factor), y.zero_point);
        case RequantizeRule::r2:
            return plus(multiply_double_rounding(acc, q31(k)), y.zero_point);
        case RequantizeRule::r3:
            return plus(multiply_single_rounding(acc, q31(k)), y.zero_point);
        case RequantizeRule::r5:
            return plus(moved(acc, k.shift), y.zero_point);
        case RequantizeRule::r8:
            return plus(r8_level(acc, k.integer, k.offset), y.qmin);
        case RequantizeRule::r9:
            return rounded(r9_value(acc, k.multiplier, k.bias), y.zero_point);
        default:
            return rounded(r1_value(acc, k.multiplier), y.zero_point);
    }
}

Whole unclamped(AddRule rule, int32_t a, int32_t b, const AddConstants& k) {
    using namespace add_rules;
    const int32_t z = k.y.zero_point;
    switch (rule) {
        case AddRule::onnxruntime:
            return rounded_inside(onnxruntime_value(a, b, k));
        case AddRule::tflite:
            return plus(
                multiply_double_rounding(tflite_sum(a, b, k, multiply_double_rounding), k.y_q31),
                z);
        case AddRule::tflite_single:
            return plus(
                multiply_single_rounding(tflite_sum(a, b, k, multiply_single_rounding), k.y_q31),
                z);
        case AddRule::xnnpack:
            return plus(shift_half_up(fixed_sum(a, b, k), k.shift), z);
        case AddRule::qnnpack:
            return plus(shift_half_away(fixed_sum(a, b, k), k.shift), z);
        case AddRule::torch:
            return rounded(torch_value(a, b, k), z);
        case AddRule::tvm:
            return plus(moved(tvm_sum(a, b, k), k.shift), z);
        case AddRule::hexagon:
            return plus(shift_half_up(hexagon_moved(a, b, k), hexagon_last_shift(k.shift)), 0);
        default:
            return rounded(real_value(a, b, k), z);
    }
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
            return fraction(int64_t{hexagon_moved(a, b, k)}, hexagon_last_shift(k.shift));
        default:
            return fraction(real_value(a, b, k));
    }
}

// The other rules round the raw sum.
bool centres(PoolRule rule) {
    return rule == PoolRule::real || rule == PoolRule::mean || rule == PoolRule::mean_single ||
           rule == PoolRule::reciprocal;
}

Fraction last_rounding(PoolRule rule, int32_t sum, int32_t count, const AverageConstants& k,
                       int32_t z) {
    const int32_t centred = sum - count * z;
    switch (rule) {
        case PoolRule::mean:
            return twice_rounded(centred, k.q31);
        case PoolRule::mean_single:
            return once_rounded(centred, k.q31);
        case PoolRule::xnnpack:
            return fraction(xnnpack_mean(sum, count, k.multiplier, z));
        case PoolRule::half_away:
        case PoolRule::truncated:
            return {static_cast<double>(sum) / count, 2 * std::abs(sum % count) == count};
        case PoolRule::mantissa:
            return fraction(mantissa_value(sum, k), mantissa_last_shift);
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

void set_whole(RuleSteps& steps, const Whole& whole) {
    steps.rounded = whole.rounded;
    steps.with_zero = whole.with_zero;
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
    if (rule == PoolRule::float_sum) return {"sum of floats"};
    if (centres(rule)) return {"centred"};
    return {};
}

RuleSteps rule_steps(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                     const OutputGrid& y) {
    RuleSteps steps;
    steps.terms = terms_of(rule, acc, k);
    set_whole(steps, unclamped(rule, acc, k, y));
    steps.code = requantize_value(rule, acc, k, y, y.qmin, y.qmax);
    set_value(steps, last_rounding(rule, acc, k, y), {y.qmin, y.qmax});
    return steps;
}

RuleSteps rule_steps(AddRule rule, int32_t a, int32_t b, const AddConstants& k, CodeBounds bounds) {
    RuleSteps steps;
    steps.terms = terms_of(rule, a, b, k);
    set_whole(steps, unclamped(rule, a, b, k));
    steps.code = residual_add_value(rule, a, b, k, bounds.lo, bounds.hi);
    set_value(steps, last_rounding(rule, a, b, k), bounds);
    return steps;
}

RuleSteps rule_steps(PoolRule rule, WindowSum sum, int32_t count, const AverageConstants& k,
                     int32_t zero_point, CodeBounds bounds) {
    RuleSteps steps;
    if (centres(rule)) steps.terms = {static_cast<double>(sum.codes - count * zero_point)};
    // No average of codes comes near these ends.
    steps.with_zero = average_code(rule, sum, count, k, zero_point, -(1 << 20), 1 << 20);
    steps.rounded = steps.with_zero - (centres(rule) ? zero_point : 0);
    steps.code = average_code(rule, sum, count, k, zero_point, bounds.lo, bounds.hi);
    if (rule == PoolRule::float_sum) {
        steps.terms = {static_cast<double>(sum.floats)};
        set_value(steps, fraction(float_sum_value(sum.floats, count, k.scale, zero_point)), bounds);
    } else {
        set_value(steps, last_rounding(rule, sum.codes, count, k, zero_point), bounds);
    }
    return steps;
}

}  // namespace gradus
