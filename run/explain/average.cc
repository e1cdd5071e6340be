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
            return "(sum - n z) m in Q31: rounded up after the product, away from zero after the "
                   "shift; + z";
        case PoolRule::mean_single:
            return "(sum - n z) m in Q31: rounded once, ties up; + z";
        case PoolRule::half_away:
            return "sum / n, ties away from zero";
        case PoolRule::truncated:
            return "sum / n, toward zero";
        case PoolRule::mantissa:
            return "((256 sum / 2^shift) recip + 2^15) >> 15, / 2^6; both quotients rounded, ties "
                   "up";
        default:
            return "rne((sum - n z) m) + z, m = f32(s / f32(s n))";
    }
}

// ---- what was asked --------------------------------------------------------------------------

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

// I32, each within what `count` of the codes can sum to.
Tensor load_sums(const std::string& path, int32_t count, CodeBounds codes,
                 const std::string& hardware) {
    const Tensor sums = load_npy(path);
    check_kind(sums.dtype() == DType::I32, ErrorKind::data, path, ": sums are int32; holds ",
               sums.dtype(), "; save it as int32");
    check_kind(sums.numel() > 0, ErrorKind::data, path, ": an array of shape ", sums.shape(),
               " holds no value; save one of at least one");
    const int32_t* sum = sums.data<int32_t>();
    for (int64_t i = 0; i < sums.numel(); ++i) {
        check_kind(sum[i] >= -128 * count && sum[i] <= 255 * count, ErrorKind::data, path, ": sum ",
                   i, ", ", sum[i], ", is none of ", count, " codes of 8 bits; check --count");
        check_kind(sum[i] >= codes.lo * count && sum[i] <= codes.hi * count, ErrorKind::usage, path,
                   ": sum ", i, ", ", sum[i], ", is none of ", count, " codes of ", hardware, ", [",
                   codes.lo, ", ", codes.hi,
                   "]; check --count, or give --qmin and --qmax of other ", "codes");
    }
    return sums;
}

struct Averaging {
    const Hardware& hardware;
    PoolRule rule;
    CodeGrid grid;
    CodeBounds bounds;
    int32_t count;
    AverageConstants constants;
    Tensor sums;
};

Averaging prepare(const AverageQuestion& question) {
    const Hardware& hardware = find_hardware(question.hardware);
    const PoolRule rule = rule_of(question, hardware);
    const QuestionCodes range = range_of_flags(question.qmin, question.qmax, question.hardware);
    const CodeGrid grid{scale_of_flag("--scale", question.scale), question.zero_point};
    check_zero_point("--zero-point", grid.zero_point, range, question.hardware);
    return {hardware,
            rule,
            grid,
            range.clamp,
            question.count,
            average_constants(rule, grid.scale, question.count),
            load_sums(question.sums, question.count, range.type, question.hardware)};
}

// ---- the answer ------------------------------------------------------------------------------

void print_constants(PoolRule rule, const AverageConstants& k) {
    if (rule == PoolRule::real) print_fact(std::cout, "multiplier", bits_text(k.multiplier));
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
    print_fact(std::cout, "codes in a sum", std::to_string(asked.count));
    print_constants(asked.rule, asked.constants);
}

nlohmann::ordered_json head_json(const Averaging& asked) {
    const AverageConstants& k = asked.constants;
    return {{"hardware", asked.hardware.name},
            {"rule", rule_name(asked.rule)},
            {"formula", formula(asked.rule)},
            {"shape", asked.sums.shape().extents()},
            {"count", asked.count},
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
    StepRecord record({"element", "sum"}, term_names(asked.rule), asked.sums.shape(),
                      question.rows);
    for (int64_t i = 0; i < asked.sums.numel(); ++i) {
        const int32_t sum = asked.sums.data<int32_t>()[i];
        record.add({i, sum}, rule_steps(asked.rule, sum, asked.count, asked.constants,
                                        asked.grid.zero_point, asked.bounds));
    }
    return record.finish(question.output, question.json, head_json(asked),
                         [&] { print_head(asked); });
}

}  // namespace gradus
