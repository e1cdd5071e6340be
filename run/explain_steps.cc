#include "run/explain_steps.h"

#include <cmath>
#include <cstdio>
#include <iostream>

#include "run/console_table.h"
#include "run/options.h"
#include "run/quantizer_report.h"

namespace gradus {

namespace {

// "tie, clamped"
std::string note(const RuleSteps& steps) {
    const bool clamped = steps.below() || steps.above();
    return join(steps.tie ? "tie" : "", steps.tie && clamped ? ", " : "", clamped ? "clamped" : "");
}

std::vector<std::string> cells_of(const StepTable& table, size_t i) {
    const RuleSteps& steps = table.steps[i];
    std::vector<std::string> cells;
    for (int64_t number : table.numbers[i]) cells.push_back(std::to_string(number));
    for (double term : steps.terms) cells.push_back(digits_text(term));
    cells.insert(cells.end(),
                 {digits_text(steps.value), std::to_string(steps.rounded),
                  std::to_string(steps.with_zero), std::to_string(steps.code), note(steps)});
    return cells;
}

// "before rounding" is a name in the table, before_rounding one in JSON.
std::string key_of(std::string name) {
    for (char& c : name) c = c == ' ' || c == '-' || c == '+' ? '_' : c;
    return name;
}

nlohmann::ordered_json element_json(const StepTable& table, size_t i) {
    const RuleSteps& steps = table.steps[i];
    nlohmann::ordered_json element;
    for (size_t o = 0; o < table.operands.size(); ++o) {
        element[key_of(table.operands[o])] = table.numbers[i][o];
    }
    for (size_t t = 0; t < table.terms.size(); ++t)
        element[key_of(table.terms[t])] = steps.terms[t];
    element["before_rounding"] = steps.value;
    element["tie"] = steps.tie;
    element["rounded"] = steps.rounded;
    element["with_zero_point"] = steps.with_zero;
    element["code"] = steps.code;
    element["clamped"] = steps.below() || steps.above();
    return element;
}

}  // namespace

std::string digits_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.12g", value);
    return text;
}

std::string bits_text(float value) {
    char text[40];
    std::snprintf(text, sizeof text, " (%a)", static_cast<double>(value));
    return float_text(value) + text;
}

std::string q31_text(Q31 m) {
    return join(digits_text(ldexp(static_cast<double>(m.value), m.exponent - 31)), " (", m.value,
                " in Q31, shift ", m.exponent, ")");
}

float scale_of_flag(const std::string& flag, double value) {
    const auto scale = static_cast<float>(value);
    check_kind(scale > 0.0f && std::isfinite(scale), ErrorKind::usage, flag,
               " takes a positive number that a float32 holds; got ", value);
    return scale;
}

CodeBounds bounds_of_flags(int qmin, int qmax, const std::string& hardware) {
    CodeBounds bounds{qmin, qmax};
    if (!hardware.empty()) {
        QuantFormat format = find_hardware(hardware).activation;
        format.bits = 8;
        if (bounds.lo == kUnsetCode) bounds.lo = format.qmin();
        if (bounds.hi == kUnsetCode) bounds.hi = format.qmax();
    }
    check_kind(bounds.lo < bounds.hi, ErrorKind::usage, "--qmin ", bounds.lo,
               " must be below --qmax ", bounds.hi);
    return bounds;
}

void StepCounts::add(const RuleSteps& steps) {
    ++n;
    below += steps.below();
    above += steps.above();
    ties += steps.tie;
}

void StepTable::add(std::vector<int64_t> of_operands, const RuleSteps& made) {
    numbers.push_back(std::move(of_operands));
    steps.push_back(made);
}

void print_steps(const StepTable& table, const StepCounts& counts) {
    print_fact(std::cout, "elements", count_text(counts.n));
    print_fact(std::cout, "saturated",
               join(count_text(counts.below), " below, ", count_text(counts.above), " above"));
    print_fact(std::cout, "on a tie", count_text(counts.ties));
    if (table.steps.empty()) return;
    std::vector<std::string> header = table.operands;
    header.insert(header.end(), table.terms.begin(), table.terms.end());
    header.insert(header.end(), {"before rounding", "rounded", "with zero point", "code", "note"});
    ConsoleTable printed(header);
    for (size_t i = 0; i < table.steps.size(); ++i) printed.row(cells_of(table, i));
    std::cout << '\n';
    printed.print(std::cout, stream_is_utf8(1));
}

void add_steps(nlohmann::ordered_json& result, const StepTable& table, const StepCounts& counts) {
    result["n"] = counts.n;
    result["saturated_below"] = counts.below;
    result["saturated_above"] = counts.above;
    result["ties"] = counts.ties;
    result["elements"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < table.steps.size(); ++i) {
        result["elements"].push_back(element_json(table, i));
    }
}

}  // namespace gradus
