#include "run/explain/average.h"

#include <iostream>

#include "io/npy.h"
#include "quant/hardware.h"
#include "run/explain/quantizer_report.h"
#include "run/explain/steps.h"

namespace gradus {

namespace {

const char* formula(PoolRule rule) {
    switch (rule) {
        case PoolRule::mean:
            return "(sum - n z) m in Q31, m = (2^30 << floor(log2 n)) / n cut off: rounded up "
                   "after "
                   "the product, away from zero after the shift; + z";
        case PoolRule::mean_single:
            return "(sum - n z) m in Q31, m = (2^30 << floor(log2 n)) / n cut off: rounded once, "
                   "ties up; + z";
        case PoolRule::xnnpack:
            return "rne(f32(sum m) + f32(z - f32(n z m))), m = f32(1 / n)";
        case PoolRule::half_away:
            return "sum / n, ties away from zero";
        case PoolRule::truncated:
            return "sum / n, toward zero";
        case PoolRule::mantissa:
            return "((256 sum / 2^shift) recip + 2^15) >> 15, / 2^6; both quotients rounded, ties "
                   "up";
        case PoolRule::reciprocal:
            return "rne((sum - n z) m) + z, m = f32(1 / n)";
        case PoolRule::float_sum:
            return "rne(f32(sum of s (q - z)) / n / s + z), the floats added one by one";
        default:
            return "rne((sum - n z) m) + z, m = f32(s / f32(s n))";
    }
}

// ---- the question ----------------------------------------------------------------------------

PoolRule rule_of(const AverageQuestion& question, const Hardware& hardware) {
    const auto of = [&](const Hardware& h) { return question.windows ? h.window : h.mean; };
    std::string names;
    for (const Hardware& h : hardware_table()) {
        if (of(h) != PoolRule::none) names += std::string(" ") + h.name;
    }
    const PoolRule rule = of(hardware);
    check_kind(rule != PoolRule::none, ErrorKind::usage, "--hardware ", hardware.name,
               " averages in float and has no rule for codes; those that have one:", names);
    return rule;
}

// The sums to average: one for each element of the answer.
struct Windows {
    Shape shape;
    int32_t count;
    std::vector<WindowSum> sums;
};

// Loads sums; each must be within `count` times the range of the codes.
Windows load_sums(const std::string& path, int32_t count, CodeBounds codes,
                  const std::string& hardware) {
    const Tensor sums = load_npy(path);
    check_kind(sums.dtype() == DType::I32, ErrorKind::data, path, ": sums are int32; holds ",
               sums.dtype(), "; save it as int32");
    check_kind(sums.numel() > 0, ErrorKind::data, path, ": an array of shape ", sums.shape(),
               " holds no value; save one of at least one");
    Windows windows{sums.shape(), count, {}};
    for (const int32_t sum : sums.to_vector<int32_t>()) {
        const size_t i = windows.sums.size();
        check_kind(sum >= -128 * count && sum <= 255 * count, ErrorKind::data, path, ": sum ", i,
                   ", ", sum, ", is none of ", count, " codes of 8 bits; check --count");
        check_kind(sum >= codes.lo * count && sum <= codes.hi * count, ErrorKind::usage, path,
                   ": sum ", i, ", ", sum, ", is none of ", count, " codes of ", hardware, ", [",
                   codes.lo, ", ", codes.hi,
                   "]; check --count, or give --qmin and --qmax of other ", "codes");
        windows.sums.push_back({sum, 0.0f});
    }
    return windows;
}

Windows load_windows(const std::string& path, const CodeGrid& grid, CodeBounds type,
                     const std::string& hardware) {
    const Tensor codes = load_codes(path, type, hardware);
    check_kind(codes.shape().rank() == 2 && codes.shape()[1] <= 1 << 22, ErrorKind::data, path,
               ": holds ", codes.shape(), "; save [windows, codes], up to 2^22 codes a window");
    Windows windows{{codes.shape()[0]}, static_cast<int32_t>(codes.shape()[1]), {}};
    const int32_t* q = codes.data<int32_t>();
    for (int64_t i = 0; i < codes.shape()[0]; ++i) {
        WindowSum sum{0, 0.0f};
        for (int32_t k = 0; k < windows.count; ++k, ++q) {
            sum.codes += *q;
            sum.floats += static_cast<float>(*q - grid.zero_point) * grid.scale;
        }
        windows.sums.push_back(sum);
    }
    return windows;
}

struct Averaging {
    const Hardware& hardware;
    PoolRule rule;
    CodeGrid grid;
    CodeBounds bounds;
    Windows windows;
    AverageConstants constants;
};

Averaging prepare(const AverageQuestion& question) {
    const Hardware& hardware = find_hardware(question.hardware);
    const PoolRule rule = rule_of(question, hardware);
    const QuestionCodes range = range_of_flags(question.qmin, question.qmax, question.hardware);
    const CodeGrid grid{scale_of_flag("--scale", question.scale), question.zero_point};
    check_zero_point("--zero-point", grid.zero_point, range, question.hardware);
    check_kind(rule != PoolRule::float_sum || !question.codes.empty(), ErrorKind::usage,
               "--hardware ", hardware.name, " adds the floats of a window one by one, so that ",
               "their sum depends on the order; give --codes instead of --sums");
    const Windows windows =
        question.codes.empty()
            ? load_sums(question.sums, question.count, range.type, question.hardware)
            : load_windows(question.codes, grid, range.type, question.hardware);
    return {hardware,    rule,    grid,
            range.clamp, windows, average_constants(rule, grid.scale, windows.count)};
}

// ---- the answer ------------------------------------------------------------------------------

void print_constants(PoolRule rule, const AverageConstants& k) {
    if (rule == PoolRule::real || rule == PoolRule::reciprocal || rule == PoolRule::xnnpack) {
        print_fact(std::cout, "multiplier", bits_text(k.multiplier));
    }
    if (rule == PoolRule::mean || rule == PoolRule::mean_single) {
        print_fact(std::cout, "multiplier", q31_text(k.q31));
    }
    if (rule == PoolRule::mantissa) {
        print_fact(std::cout, "recip", std::to_string(k.integer));
        print_fact(std::cout, "shift", std::to_string(k.shift));
    }
}

void print_head(const Averaging& asked) {
    print_fact(std::cout, "hardware", asked.hardware.name);
    print_fact(std::cout, "rule", join(rule_name(asked.rule), ": ", formula(asked.rule)));
    print_fact(std::cout, "grid",
               join("scale ", bits_text(asked.grid.scale), ", zero point ", asked.grid.zero_point));
    print_fact(std::cout, "codes", join("[", asked.bounds.lo, ", ", asked.bounds.hi, "]"));
    print_fact(std::cout, "codes in a sum", std::to_string(asked.windows.count));
    print_constants(asked.rule, asked.constants);
}

nlohmann::ordered_json head_json(const Averaging& asked) {
    const AverageConstants& k = asked.constants;
    return {{"hardware", asked.hardware.name},
            {"rule", rule_name(asked.rule)},
            {"formula", formula(asked.rule)},
            {"shape", asked.windows.shape.extents()},
            {"count", asked.windows.count},
            {"scale", asked.grid.scale},
            {"zero_point", asked.grid.zero_point},
            {"qmin", asked.bounds.lo},
            {"qmax", asked.bounds.hi},
            {"constants",
             {{"multiplier", k.multiplier},
              {"q31", {{"value", k.q31.value}, {"exponent", k.q31.exponent}}},
              {"recip", k.integer},
              {"shift", k.shift}}}};
}

}  // namespace

int explain_average(const AverageQuestion& question) {
    if (!question.answer.empty()) {
        std::cout << question.answer;
        return 0;
    }
    const Averaging asked = prepare(question);
    const Windows& windows = asked.windows;
    StepRecord record({"element", "sum"}, term_names(asked.rule), windows.shape, question.rows);
    for (size_t i = 0; i < windows.sums.size(); ++i) {
        record.add({static_cast<int64_t>(i), windows.sums[i].codes},
                   rule_steps(asked.rule, windows.sums[i], windows.count, asked.constants,
                              asked.grid.zero_point, asked.bounds));
    }
    return record.finish(question.output, question.json, head_json(asked),
                         [&] { print_head(asked); });
}

}  // namespace gradus
