#include "run/explain/add.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iostream>

#include "quant/hardware.h"
#include "run/explain/quantizer_report.h"
#include "run/explain/steps.h"

namespace gradus {

namespace {

const char* formula(AddRule rule) {
    switch (rule) {
        case AddRule::onnxruntime:
            return "rne(fma(a, ra, fma(b, rb, c))), zero points inside the rounding";
        case AddRule::tflite:
            return "shifted left by 20, scaled, added, scaled; two roundings each (R2); + z";
        case AddRule::tflite_single:
            return "shifted left by 20, scaled, added, scaled; one rounding each, ties up; + z";
        case AddRule::xnnpack:
            return "((a - z_a) ma + (b - z_b) mb) / 2^shift, ties up; + z";
        case AddRule::qnnpack:
            return "((a - z_a) ma + (b - z_b) mb) / 2^shift, ties away from zero; + z";
        case AddRule::torch:
            return "rne((fma(a, s_a, -s_a z_a) + fma(b, s_b, -s_b z_b)) f32(1 / s_y)) + z";
        case AddRule::tvm:
            return "both on the finer grid by shifts, the sum / 2^shift, ties up; + z";
        case AddRule::hexagon:
            return "((a A + b B) >> min(8, 7 + shift)) + offset, / 2^max(shift, 1), ties up";
        default:
            return "rne((a - z_a) ra + (b - z_b) rb) + z";
    }
}

// ---- the question ----------------------------------------------------------------------------

// Splits "0.1,0.2,0.3" into lhs, rhs and output.
template <class T>
std::array<T, 3> three(const char* flag, const char* what, const std::string& text) {
    std::array<T, 3> numbers{};
    const char* at = text.data();
    const char* const end = at + text.size();
    bool ok = true;
    for (size_t i = 0; i < 3 && ok; ++i) {
        const auto [stop, error] = std::from_chars(at, end, numbers[i]);
        ok = error == std::errc() && (i < 2 ? stop != end && *stop == ',' : stop == end);
        at = stop + 1;
    }
    check_kind(ok, ErrorKind::usage, flag, " takes three ", what,
               " with commas between them, of lhs, rhs and output; got '", text, "'");
    return numbers;
}

const Hardware& hardware_of(const AddQuestion& question) {
    const Hardware& hardware = find_hardware(question.hardware);
    std::string others;
    for (const Hardware& h : hardware_table()) {
        if (h.add != AddRule::none) others += std::string(" ") + h.name;
    }
    check_kind(hardware.add != AddRule::none, ErrorKind::usage, "--hardware ", hardware.name,
               " adds in float and has no rule for codes; those that have one:", others);
    return hardware;
}

struct Grids {
    CodeGrid a, b, y;
};

Grids grids_of(const AddQuestion& question, const QuestionCodes& range) {
    const auto scales = three<double>("--scales", "positive numbers", question.scales);
    const auto zeros = three<int32_t>("--zero-points", "whole numbers", question.zero_points);
    for (size_t i = 0; i < 3; ++i) {  // operands are not clamped
        const QuestionCodes codes{i < 2 ? range.type : range.clamp, range.type, range.symmetric};
        check_zero_point("--zero-points", zeros[i], codes, question.hardware);
    }
    const auto grid = [&](size_t i) {
        return CodeGrid{scale_of_flag("--scales", scales[i]), zeros[i]};
    };
    return {grid(0), grid(1), grid(2)};
}

// ---- the answer ------------------------------------------------------------------------------

struct Constant {
    const char* name;
    std::string text;
};

Constant real(const char* name, float value) {
    return {name, bits_text(value)};
}
Constant whole(const char* name, int64_t value) {
    return {name, std::to_string(value)};
}
Constant fixed(const char* name, Q31 m) {
    return {name, q31_text(m)};
}

std::vector<Constant> constants_of(AddRule rule, const AddConstants& k) {
    switch (rule) {
        case AddRule::onnxruntime:
            return {real("ra", k.a_ratio), real("rb", k.b_ratio), real("c", k.a_offset)};
        case AddRule::tflite:
        case AddRule::tflite_single:
            return {fixed("multiplier of lhs", k.a_q31), fixed("multiplier of rhs", k.b_q31),
                    fixed("output multiplier", k.y_q31)};
        case AddRule::xnnpack:
        case AddRule::qnnpack:
            return {whole("ma", k.a_integer), whole("mb", k.b_integer), whole("shift", k.shift)};
        case AddRule::torch:
            return {real("-s_a z_a", k.a_offset), real("-s_b z_b", k.b_offset),
                    real("1 / s_y", k.y_ratio)};
        case AddRule::tvm:
            return {whole("left shift of lhs", k.a_integer),
                    whole("left shift of rhs", k.b_integer), whole("shift", k.shift)};
        case AddRule::hexagon:
            return {whole("A", k.a_integer), whole("B", k.b_integer), whole("offset", k.offset),
                    whole("shift", k.shift)};
        default:
            return {real("ra", k.a_ratio), real("rb", k.b_ratio)};
    }
}

struct Addition {
    const Hardware& hardware;
    AddConstants constants;
    CodeBounds bounds;
    Tensor a, b;
};

// Refuses scales that the library refuses, ratios at which every sum except 0 saturates, and ratios
// that a rule's constants cannot hold.
std::string refusal_of(AddRule rule, const Grids& g) {
    const std::string refusal = add_refusal(rule, g.a, g.b, g.y);
    if (!refusal.empty()) return refusal;
    const float left = g.a.scale / g.y.scale, right = g.b.scale / g.y.scale;
    const bool held = std::min(left, right) >= 0x1p-27f && std::max(left, right) < 0x1p13f;
    if (held) return "";
    return join("the ratios of input to output scale are ", left, " and ", right,
                "; a sum of codes takes both in [2^-27, 2^13)");
}

Addition prepare(const AddQuestion& question) {
    const Hardware& hardware = hardware_of(question);
    const QuestionCodes range = range_of_flags(question.qmin, question.qmax, question.hardware);
    const Grids g = grids_of(question, range);
    const std::string refusal = refusal_of(hardware.add, g);
    check_kind(refusal.empty(), ErrorKind::usage, "--scales: ", refusal, "; choose other scales");
    const AddConstants constants = add_constants(hardware.add, g.a, g.b, g.y);
    const Tensor a = load_codes(question.lhs, range.type, question.hardware),
                 b = load_codes(question.rhs, range.type, question.hardware);
    check_kind(a.shape() == b.shape(), ErrorKind::data, question.rhs, ": the shape ", b.shape(),
               " is not that of --lhs, ", a.shape(), "; save arrays of one shape");
    return {hardware, constants, range.clamp, a, b};
}

void print_head(const Addition& asked) {
    const AddConstants& k = asked.constants;
    const auto grid = [](const CodeGrid& g) {
        return join("scale ", bits_text(g.scale), ", zero point ", g.zero_point);
    };
    print_fact(std::cout, "hardware", asked.hardware.name);
    print_fact(std::cout, "rule",
               join(rule_name(asked.hardware.add), ": ", formula(asked.hardware.add)));
    print_fact(std::cout, "lhs", grid(k.a));
    print_fact(std::cout, "rhs", grid(k.b));
    print_fact(std::cout, "output", grid(k.y));
    print_fact(std::cout, "codes", join("[", asked.bounds.lo, ", ", asked.bounds.hi, "]"));
    for (const Constant& constant : constants_of(asked.hardware.add, k)) {
        print_fact(std::cout, constant.name, constant.text);
    }
}

nlohmann::ordered_json grid_json(const CodeGrid& grid) {
    return {{"scale", grid.scale}, {"zero_point", grid.zero_point}};
}

nlohmann::ordered_json q31_json(Q31 m) {
    return {{"value", m.value}, {"exponent", m.exponent}};
}

nlohmann::ordered_json head_json(const Addition& asked) {
    const AddConstants& k = asked.constants;
    return {{"hardware", asked.hardware.name},
            {"rule", rule_name(asked.hardware.add)},
            {"formula", formula(asked.hardware.add)},
            {"shape", asked.a.shape().extents()},
            {"lhs", grid_json(k.a)},
            {"rhs", grid_json(k.b)},
            {"output", grid_json(k.y)},
            {"qmin", asked.bounds.lo},
            {"qmax", asked.bounds.hi},
            {"constants",
             {{"ratios", {k.a_ratio, k.b_ratio, k.y_ratio}},
              {"offsets", {k.a_offset, k.b_offset}},
              {"q31", {q31_json(k.a_q31), q31_json(k.b_q31), q31_json(k.y_q31)}},
              {"integers", {k.a_integer, k.b_integer}},
              {"shift", k.shift},
              {"offset", k.offset}}}};
}

}  // namespace

int explain_add(const AddQuestion& question) {
    if (!question.answer.empty()) {
        std::cout << question.answer;
        return 0;
    }
    const Addition asked = prepare(question);
    const AddRule rule = asked.hardware.add;
    StepRecord record({"element", "lhs", "rhs"}, term_names(rule), asked.a.shape(), question.rows);
    for (int64_t i = 0; i < asked.a.numel(); ++i) {
        const int32_t a = asked.a.data<int32_t>()[i], b = asked.b.data<int32_t>()[i];
        record.add({i, a, b}, rule_steps(rule, a, b, asked.constants, asked.bounds));
    }
    return record.finish(question.output, question.json, head_json(asked),
                         [&] { print_head(asked); });
}

}  // namespace gradus
