#include "run/explain/questions.h"

#include "run/command_line/flag_table.h"
#include "run/command_line/parse.h"
#include "tensor/check.h"

namespace gradus {

namespace {

const char* const kQuantizerUsage =
    "Runs a quantizer on an array, or without --input shows its staircase and its gradient.\n"
    "usage: ./explain quantizer --algo lsq --bits 4 [--input x.npy] [flags]\n";
const char* const kRequantizeUsage =
    "Puts int32 accumulators on a grid by a rule and shows the steps of the first ones.\n"
    "usage: ./explain requantize --rule R1 --accumulators acc.npy --input-scale 0.02\n"
    "           --weight-scale 0.01 --output-scale 0.05 --qmin -128 --qmax 127 [flags]\n";
const char* const kAddUsage =
    "Adds two arrays of codes by the rule of a target and shows the steps of the first ones.\n"
    "usage: ./explain add --hardware onnxruntime --lhs a.npy --rhs b.npy\n"
    "           --scales 0.1,0.2,0.3 --zero-points 128,128,128 [flags]\n";
const char* const kAverageUsage =
    "Brings sums of codes back to the codes' grid by the rule of a target and shows the steps.\n"
    "usage: ./explain average --hardware onnxruntime --sums sums.npy --count 49 --scale 0.05\n"
    "           [flags]\n"
    "       ./explain average --hardware onnxruntime --windows --codes windows.npy --scale 0.05\n"
    "           [flags]\n";

void check_complete(const RequantizeQuestion& q) {
    check_kind(q.rule.empty() != q.hardware.empty(), ErrorKind::usage,
               q.rule.empty() ? "no rule; add --rule R1, or --hardware for that of a target"
                              : "--rule and --hardware both name a rule; drop one");
    const auto require = [](bool given, const char* flag) {
        check_kind(given, ErrorKind::usage, flag, " is missing; ./explain requantize takes ",
                   "--accumulators, three scales, --qmin and --qmax (see --help)");
    };
    require(!q.accumulators.empty(), "--accumulators");
    require(q.input_scale > 0.0, "--input-scale");
    require(!q.weight_scale.empty(), "--weight-scale");
    require(q.output_scale > 0.0, "--output-scale");
    require(!q.hardware.empty() || q.qmin != kUnsetCode, "--qmin");
    require(!q.hardware.empty() || q.qmax != kUnsetCode, "--qmax");
}

void check_complete(const AddQuestion& q) {
    const auto require = [](const std::string& text, const char* flag) {
        check_kind(!text.empty(), ErrorKind::usage, flag,
                   " is missing; ./explain add takes --lhs, --rhs and --scales (see --help)");
    };
    require(q.lhs, "--lhs");
    require(q.rhs, "--rhs");
    require(q.scales, "--scales");
}

void check_complete(const AverageQuestion& q) {
    const auto require = [](bool given, const char* flag) {
        check_kind(given, ErrorKind::usage, flag,
                   " is missing; ./explain average takes --sums and --count, or --codes, and "
                   "--scale (see --help)");
    };
    check_kind(q.sums.empty() || q.codes.empty(), ErrorKind::usage,
               "--sums and --codes both say what is averaged; drop one");
    check_kind(q.codes.empty() || q.count == 0, ErrorKind::usage,
               "--count is the length of a row of --codes; drop it");
    require(!q.sums.empty() || !q.codes.empty(), "--sums");
    require(q.count > 0 || !q.codes.empty(), "--count");
    require(q.scale > 0.0, "--scale");
}

}  // namespace

std::vector<Flag> quantizer_question_flags(QuantizerQuestion& o) {
    FlagTable table;
    table.section("quantizer");
    table.call("--algo", &o.algo, "algorithm, as in ./train");
    table.call("--role", &o.role, "what it quantizes").one_of({"weight", "activation"});
    table.call("--bits", &o.bits, "2 to 8").range(2, 8);
    table.call("--unsigned", &o.is_unsigned, "codes from 0, else signed");
    table.call("--narrow", &o.narrow, "without the lowest signed code");
    table.call("--asymmetric", &o.asymmetric,
               "with a zero point; pact, dorefa, dsq: if a value is < 0");
    table.call("--power-of-two", &o.power_of_two, "scales are powers of two");
    table.call("--per-channel", &o.channel_axis, "one scale for each index of this axis")
        .range(-8, 7)
        .shown_as("AXIS");
    table.section("values");
    table.call("--input", &o.input, "array of float32 or float64; none: a ramp")
        .shown_as("FILE.npy");
    table.call("--grad", &o.grad, "gradient of x_hat, of the input's shape; none: ones")
        .shown_as("FILE.npy");
    table.call("--set", &o.set, "a parameter, a number or FILE.npy; repeatable")
        .shown_as("NAME=VALUE");
    table
        .call("--calibration", &o.calibration,
              "where what is not --set starts; auto: as the algorithm")
        .shown_as("NAME");
    table.section("gradient and reading");
    table
        .call("--gradient-scale", &o.gradient_scale,
              "of parameters' gradients, else the algorithm's")
        .range(0);
    table.call("--reading", &o.reading, "where paper and released code disagree")
        .one_of({"paper", "code"});
    table.call("--dsq-form", &o.dsq_form, "gradient of dsq; auto: soft, or ste by --reading code")
        .one_of({"auto", "soft", "ste"});
    table.call("--simulate", &o.simulate, "as the integers, or the algorithm's own reals")
        .one_of({"exact", "qdq"});
    table.section("output");
    table.call("--output", &o.output, "write .npy files here, or the plots").shown_as("DIR");
    table.call("--json", &o.json, "one JSON object instead of a text");
    table.call("-h,--help", &o.help, "this page").used_for(FlagUse::question);
    return table.take();
}

namespace {

// Adds the flags that show and write the steps of a rule.
void add_step_flags(FlagTable& table, RuleQuestion& o) {
    table.section("output");
    table.call("--output", &o.output, "write the int32 codes here").shown_as("FILE.npy");
    table.call("--rows", &o.rows, "elements whose steps are shown").range(0, 1e6);
    table.call("--json", &o.json, "one JSON object instead of a text");
    table.call("-h,--help", &o.help, "this page").used_for(FlagUse::question);
}

}  // namespace

std::vector<Flag> requantize_question_flags(RequantizeQuestion& o) {
    FlagTable table;
    table.section("rule");
    table.call("--rule", &o.rule, "R1, R1b, R1c, R1f, R2, R3, R5, R8, R9 or R10");
    table.call("--hardware,--backend", &o.hardware, "instead: the rule of this target");
    table.section("values");
    table.call("--accumulators", &o.accumulators, "int32 [n] or [n, channels]")
        .shown_as("FILE.npy");
    table.call("--bias", &o.bias, "[channels]: int32 as it is, floats in real units")
        .shown_as("FILE.npy");
    table.call("--input-scale", &o.input_scale, "of the layer's input").above(0);
    table.call("--weight-scale", &o.weight_scale, "a number, or one for each channel")
        .shown_as("X|FILE.npy");
    table.call("--output-scale", &o.output_scale, "of the codes that come out").above(0);
    table.call("--output-zero-point", &o.zero_point, "of the same").range(-32768, 65535);
    table.call("--qmin", &o.qmin, "lowest code; else the target's with 8 bits")
        .range(-32768, 65535);
    table.call("--qmax", &o.qmax, "highest code").range(-32768, 65535);
    add_step_flags(table, o);
    return table.take();
}

std::vector<Flag> add_question_flags(AddQuestion& o) {
    FlagTable table;
    table.section("rule");
    table.call("--hardware,--backend", &o.hardware, "whose rule adds");
    table.section("values");
    table.call("--lhs", &o.lhs, "8-bit codes in int8, uint8 or int32").shown_as("FILE.npy");
    table.call("--rhs", &o.rhs, "the same, of the same shape").shown_as("FILE.npy");
    table.call("--scales", &o.scales, "of lhs, rhs and output").shown_as("X,X,X");
    table.call("--zero-points", &o.zero_points, "of the same").shown_as("N,N,N");
    table.call("--qmin", &o.qmin, "lowest code; else the target's with 8 bits").range(-128, 255);
    table.call("--qmax", &o.qmax, "highest code").range(-128, 255);
    add_step_flags(table, o);
    return table.take();
}

std::vector<Flag> average_question_flags(AverageQuestion& o) {
    FlagTable table;
    table.section("rule");
    table.call("--hardware,--backend", &o.hardware, "whose rule averages");
    table.call("--windows", &o.windows, "the rule of windows, not that of global averages");
    table.section("values");
    table.call("--sums", &o.sums, "int32 sums of 8-bit codes").shown_as("FILE.npy");
    table.call("--count", &o.count, "codes in each sum").range(1, 1 << 22);
    table.call("--codes", &o.codes, "instead: the codes, in each row those of a window")
        .shown_as("FILE.npy");
    table.call("--scale", &o.scale, "of the codes and of their average").above(0);
    table.call("--zero-point", &o.zero_point, "of the same").range(-128, 255);
    table.call("--qmin", &o.qmin, "lowest code; else the target's with 8 bits").range(-128, 255);
    table.call("--qmax", &o.qmax, "highest code").range(-128, 255);
    add_step_flags(table, o);
    return table.take();
}

QuantizerQuestion parse_quantizer_question(int argc, const char* const* argv) {
    QuantizerQuestion question;
    set_from_arguments(quantizer_question_flags(question), argc, argv);
    if (question.help) {
        QuantizerQuestion defaults;
        question.answer = help_text(kQuantizerUsage, quantizer_question_flags(defaults), true);
    }
    return question;
}

namespace {

// Parses a question that has required flags.
template <class Question>
Question parse_complete(int argc, const char* const* argv, const char* usage,
                        std::vector<Flag> (*flags)(Question&)) {
    Question question;
    set_from_arguments(flags(question), argc, argv);
    if (question.help) {
        Question defaults;
        question.answer = help_text(usage, flags(defaults), true);
    } else {
        check_complete(question);
    }
    return question;
}

}  // namespace

RequantizeQuestion parse_requantize_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kRequantizeUsage, requantize_question_flags);
}

AddQuestion parse_add_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kAddUsage, add_question_flags);
}

AverageQuestion parse_average_question(int argc, const char* const* argv) {
    return parse_complete(argc, argv, kAverageUsage, average_question_flags);
}

}  // namespace gradus
