#include "quant/requantize.h"

#include "tensor/find_row.h"

namespace gradus {

namespace {

struct RuleName {
    const char* name;
    RequantizeRule rule;
};

const std::vector<RuleName>& rule_names() {
    static const std::vector<RuleName> rows{
        {"none", RequantizeRule::none}, {"R1", RequantizeRule::r1},   {"R1b", RequantizeRule::r1b},
        {"R1c", RequantizeRule::r1c},   {"R1f", RequantizeRule::r1f}, {"R2", RequantizeRule::r2},
        {"R3", RequantizeRule::r3},     {"R5", RequantizeRule::r5},   {"R8", RequantizeRule::r8},
        {"R9", RequantizeRule::r9},     {"R10", RequantizeRule::r10}};
    return rows;
}

// log2 of a power of two.
int exponent_of(float scale, const char* which) {
    int exponent = 0;
    check_kind(std::isfinite(scale) && frexpf(scale, &exponent) == 0.5f, ErrorKind::usage,
               "R5 shifts: every scale must be a power of two; the ", which, " scale is ", scale,
               "; choose powers of two (--power-of-two) or another rule");
    return exponent - 1;
}

RequantizeConstants q31_constants(double sx, double sw, double sy) {
    const Q31 m = q31_of(sx * sw / sy);
    return {.integer = m.value, .shift = m.exponent};
}

RequantizeConstants shift_constants(float sx, float sw, float sy) {
    const int k = exponent_of(sy, "output") - exponent_of(sx, "input") - exponent_of(sw, "weight");
    // Beyond these every accumulator except 0 saturates, or rounds to 0.
    return {.shift = clamp_integer(k, -31, 62)};
}

RequantizeConstants reciprocal_constants(double sx, double sw, const OutputGrid& y) {
    const double accumulators = static_cast<double>(y.scale) / (sx * sw);  // in one output step
    const int32_t levels = y.qmax - y.qmin;
    const double range = std::fmax(std::trunc(levels * accumulators + 0.5), 1.0);
    const double recip = std::floor(levels * 2147483648.0 / range);
    const double min = round_half_away((y.qmin - y.zero_point) * accumulators);
    return {.integer = static_cast<int64_t>(recip),
            .offset = saturate_int32(static_cast<int64_t>(std::fmax(std::fmin(min, 1e15), -1e15)))};
}

}  // namespace

RequantizeConstants requantize_constants(RequantizeRule rule, float sx, float sw,
                                         const OutputGrid& y, float bias, bool per_channel) {
    const float product = sx * sw;
    const float m = product / y.scale;
    switch (rule) {
        case RequantizeRule::r1b:
            return {.multiplier = product * (1.0f / y.scale)};
        case RequantizeRule::r1c: {
            const float reciprocal = (1.0f / sx) * (1.0f / sw);
            return {.multiplier = (1.0f / y.scale) / reciprocal, .bias = bias * reciprocal};
        }
        case RequantizeRule::r1f:
            if (per_channel) return {.multiplier = m, .bias = bias / product};
            return {.multiplier = m, .bias = bias, .bias_factor = 1.0f / product};
        case RequantizeRule::r2:
        case RequantizeRule::r3:
            return q31_constants(sx, sw, y.scale);
        case RequantizeRule::r5:
            return shift_constants(sx, sw, y.scale);
        case RequantizeRule::r8:
            return reciprocal_constants(sx, sw, y);
        case RequantizeRule::r9:
            return {.multiplier = m, .bias = bias / y.scale};
        case RequantizeRule::r10:
            return {.multiplier = ascend_scale(m)};
        default:
            return {.multiplier = m};
    }
}

std::string requantize_refusal(RequantizeRule rule, const RequantizeConstants& k,
                               const OutputGrid& y) {
    if (!std::isfinite(k.bias)) return "a bias over its scale is beyond all floats";
    if (rule != RequantizeRule::r8) return "";
    const bool fits = k.offset > -INT32_MAX && k.offset < INT32_MAX && k.integer >= y.qmax - y.qmin;
    return fits ? "" : "its output's range is more than int32 holds in steps of s_x s_w";
}

const char* rule_name(RequantizeRule rule) {
    for (const RuleName& row : rule_names()) {
        if (row.rule == rule) return row.name;
    }
    return "?";
}

RequantizeRule find_requantize_rule(const std::string& name) {
    return find_row(rule_names(), "requantization rule", name).rule;
}

}  // namespace gradus
