#include "run/deploy/rule_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "integer/rule_constants.h"
#include "quant/average.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// Returns the least and the largest; a single number if they are equal.
template <class T, class From>
std::vector<T> range_of(const std::vector<From>& values) {
    if (values.empty()) return {};
    const auto [least, largest] = std::minmax_element(values.begin(), values.end());
    if (*least == *largest) return {static_cast<T>(*least)};
    return {static_cast<T>(*least), static_cast<T>(*largest)};
}

template <class T>
std::vector<T> values_of(const Instruction& i, const char* name) {
    const auto found = i.constants.find(name);
    return found == i.constants.end() ? std::vector<T>() : found->second.to_vector<T>();
}

// Exponents of 0 are stored by leaving them out.
std::vector<int64_t> shifts_of(const Instruction& i, RequantizeRule rule) {
    const bool shifts =
        rule == RequantizeRule::r2 || rule == RequantizeRule::r3 || rule == RequantizeRule::r5;
    if (!shifts) return {};
    const auto shifts_found = values_of<int32_t>(i, "shift");
    return shifts_found.empty() ? std::vector<int64_t>{0} : range_of<int64_t>(shifts_found);
}

RuleReport requantization(const Instruction& i) {
    RuleReport report;
    const auto rule = rule_of<RequantizeRule>(i);
    report.rule = rule_name(rule);
    report.multiplier = range_of<double>(values_of<float>(i, "multiplier"));
    if (report.multiplier.empty()) {
        report.multiplier = range_of<double>(values_of<int64_t>(i, "integer"));
    }
    report.shift = shifts_of(i, rule);
    return report;
}

RuleReport addition(const Instruction& i) {
    RuleReport report;
    report.per_operand = true;
    const auto rule = rule_of<AddRule>(i);
    report.rule = rule_name(rule);
    const AddConstants k = load_add_constants(i);
    switch (rule) {
        case AddRule::tflite:
        case AddRule::tflite_single:
            report.multiplier = {double(k.a_q31.value), double(k.b_q31.value),
                                 double(k.y_q31.value)};
            report.shift = {k.a_q31.exponent, k.b_q31.exponent, k.y_q31.exponent};
            break;
        case AddRule::xnnpack:
        case AddRule::qnnpack:
        case AddRule::hexagon:
            report.multiplier = {double(k.a_integer), double(k.b_integer)};
            report.shift = {k.shift};
            break;
        case AddRule::tvm:
            report.shift = {k.a_integer, k.b_integer, k.shift};
            break;
        default:
            report.multiplier = {k.a_ratio, k.b_ratio};
            if (rule == AddRule::torch) report.multiplier.push_back(k.y_ratio);
    }
    return report;
}

RuleReport average(const Instruction& i, int64_t pixels) {
    RuleReport report;
    const auto rule = rule_of<PoolRule>(i);
    report.rule = rule_name(rule);
    if (pixels <= 0) return report;
    const AverageConstants k =
        average_constants(rule, values_of<float>(i, "scale").at(0), static_cast<int32_t>(pixels));
    if (rule == PoolRule::real || rule == PoolRule::reciprocal || rule == PoolRule::xnnpack) {
        report.multiplier = {k.multiplier};
    }
    if (rule == PoolRule::mean || rule == PoolRule::mean_single) {
        report.multiplier = {double(k.q31.value)};
        report.shift = {k.q31.exponent};
    }
    if (rule == PoolRule::mantissa) {
        report.multiplier = {double(k.integer)};
        report.shift = {k.shift};
    }
    return report;
}

std::string number_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, value == std::floor(value) ? "%.0f" : "%.4g", value);
    return text;
}

template <class T>
std::string list_text(const std::vector<T>& values, bool per_operand) {
    std::string text;
    for (const T& value : values) {
        if (!text.empty()) text += per_operand ? ", " : "..";
        text += number_text(static_cast<double>(value));
    }
    return text.empty() ? "-" : text;
}

}  // namespace

RuleReport rule_report(const Instruction& i, int64_t pixels) {
    if (i.is_float) return {};
    if (i.op == "add") return addition(i);
    if (i.op == "global_average_pool") return average(i, pixels);
    if (i.op == "average_pool2d") {
        const auto& kernel = i.attributes.integers("kernel");
        return average(i, kernel.at(0) * kernel.at(1));
    }
    if (i.attributes.has("rule")) return requantization(i);
    RuleReport report;  // real output: accumulators times f32(s_x s_w)
    if (i.constants.count("weight")) {
        report.multiplier = range_of<double>(values_of<float>(i, "scale"));
    }
    return report;
}

std::string multiplier_text(const RuleReport& report) {
    return list_text(report.multiplier, report.per_operand);
}

std::string shift_text(const RuleReport& report) {
    return list_text(report.shift, report.per_operand);
}

}  // namespace gradus
