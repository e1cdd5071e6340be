#include "run/explain/requantize.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>

#include "io/npy.h"
#include "quant/hardware.h"
#include "quant/requantize_exact.h"
#include "run/console_table.h"
#include "run/explain/quantizer_report.h"
#include "run/explain/steps.h"

namespace gradus {

namespace {

const char* formula(RequantizeRule rule) {
    switch (rule) {
        case RequantizeRule::r1b:
            return "rne(f32(acc) m) + z, m = f32(s_w s_x) f32(1 / s_y)";
        case RequantizeRule::r1c:
            return "rne((f32(acc) + b') m + z), m = f32(1 / s_y) / u, b' = f32(bias u), "
                   "u = f32(f32(1 / s_x) f32(1 / s_w))";
        case RequantizeRule::r1f:
            return "rne(fma(bias, factor, f32(acc)) m) + z, a bias over the accumulator's scale";
        case RequantizeRule::r2:
            return "acc m in Q31: rounded up after the product, away from zero after the shift; + "
                   "z";
        case RequantizeRule::r3:
            return "acc m in Q31: rounded once, ties up; + z";
        case RequantizeRule::r5:
            return "acc / 2^k, ties up; + z";
        case RequantizeRule::r8:
            return "qmin + ((acc - min) recip / 2^31, ties up, clamped to the levels)";
        case RequantizeRule::r9:
            return "rne(f32(acc) m + f32(bias / s_y)) + z";
        case RequantizeRule::r10:
            return "rne(f32(acc) m) + z, m without its low 13 bits";
        default:
            return "rne(f32(acc) m) + z, m = f32(f32(s_x s_w) / s_y)";
    }
}

// ---- the question ----------------------------------------------------------------------------

// " R1 R1b ...": the rules that round to a grid.
std::string rule_list() {
    std::string list;
    for (int i = 1; i <= static_cast<int>(RequantizeRule::r10); ++i) {
        list += std::string(" ") + rule_name(static_cast<RequantizeRule>(i));
    }
    return list;
}

// Accepts "r1b" for R1b.
RequantizeRule rule_of_text(const std::string& text) {
    std::string name = text;
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    for (int i = 1; i <= static_cast<int>(RequantizeRule::r10); ++i) {
        const auto rule = static_cast<RequantizeRule>(i);
        if (name == rule_name(rule)) return rule;
    }
    fail(ErrorKind::usage, "no requantization rule is called ", text, "; there are:", rule_list());
}

RequantizeRule rule_of(const RequantizeQuestion& question) {
    if (question.hardware.empty()) return rule_of_text(question.rule);
    const Hardware& hardware = find_hardware(question.hardware);
    check_kind(hardware.requantize != RequantizeRule::none, ErrorKind::usage, "--hardware ",
               hardware.name, " keeps floats between its layers and requantizes nothing; name ",
               "another target, or a --rule:", rule_list());
    return hardware.requantize;
}

OutputGrid grid_of(const RequantizeQuestion& question, RequantizeRule rule) {
    const QuestionCodes range = range_of_flags(question.qmin, question.qmax, question.hardware);
    const auto [lo, hi] = range.clamp;
    check_kind(rule != RequantizeRule::r8 || hi - lo <= 255, ErrorKind::usage,
               "R8 has the levels of 8 bits, --qmin ", lo, " and --qmax ", hi, " leave ", hi - lo,
               "; bring them within 255 of each other");
    check_zero_point("--output-zero-point", question.zero_point, range, question.hardware);
    return {scale_of_flag("--output-scale", question.output_scale), question.zero_point, lo, hi};
}

// ---- files -----------------------------------------------------------------------------------

Tensor load_accumulators(const std::string& path) {
    Tensor acc = load_npy(path);
    check_kind(acc.dtype() == DType::I32, ErrorKind::data, path, ": accumulators are int32; holds ",
               acc.dtype(), "; save it as int32");
    check_kind(acc.shape().rank() == 1 || acc.shape().rank() == 2, ErrorKind::data, path,
               ": accumulators have the shape [n] or [n, channels]; got ", acc.shape(),
               "; reshape it");
    check_kind(acc.numel() > 0, ErrorKind::data, path, ": an array of shape ", acc.shape(),
               " holds no value; save one of at least one");
    return acc;
}

int64_t channels_of(const Tensor& acc) {
    return acc.shape().rank() == 2 ? acc.shape()[1] : 1;
}

// [1], or [channels] from a file.
Tensor load_weight_scale(const std::string& text, int64_t channels) {
    double value = 0.0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end) {
        return Tensor::full({1}, scale_of_flag("--weight-scale", value));
    }
    const bool is_file = text.size() > 4 && text.ends_with(".npy");
    check_kind(is_file, ErrorKind::usage, "--weight-scale takes a positive number that float32 ",
               "holds, or a .npy file; got '", text, "'");
    const Tensor scale = load_finite(text);
    check_kind(scale.shape().rank() <= 1 && (scale.numel() == 1 || scale.numel() == channels),
               ErrorKind::data, text, ": weight scales of shape ", scale.shape(),
               "; the accumulators take ", channels == 1 ? "" : "1 or ", channels,
               ", one for each ", "channel");
    for (int64_t c = 0; c < scale.numel(); ++c) {
        check_kind(is_scale(scale.data<float>()[c]), ErrorKind::data, text, ": scale [", c, "] is ",
                   scale.data<float>()[c], "; scales are positive, from 3e-36 to 3e+35");
    }
    return scale.reshape({scale.numel()});
}

// A bias in the rule's form: codes added to the accumulators, or floats added after them.
struct Bias {
    std::string words = "none";
    Tensor codes;   // I32 [channels], or undefined
    Tensor floats;  // F32 [channels], or undefined
};

// f32(s_x s_w) of each channel, computed as in the simulation.
Tensor accumulator_scales(float input_scale, const Tensor& weight_scale) {
    Tensor scale = Tensor::empty(weight_scale.shape());
    for (int64_t c = 0; c < scale.numel(); ++c) {
        const float product = input_scale * weight_scale.data<float>()[c];
        check_kind(product > 0.0f && std::isfinite(product), ErrorKind::usage,
                   "input scale times weight scale, ", input_scale, " times ",
                   weight_scale.data<float>()[c], ", is ", product,
                   " in float32: no bias has a code there; choose other scales");
        scale.data<float>()[c] = product;
    }
    return scale;
}

Bias load_bias(const std::string& path, RequantizeRule rule, float input_scale,
               const Tensor& weight_scale, int64_t channels) {
    if (path.empty()) return {};
    const Tensor stored = load_npy(path);
    check_kind(stored.shape().rank() <= 1 && stored.numel() == channels, ErrorKind::data, path,
               ": a bias of shape ", stored.shape(), "; it has one number for each channel, ",
               channels);
    if (stored.dtype() == DType::I32) {
        return {"int32, added to the accumulators", stored.reshape({channels}), Tensor()};
    }
    const Tensor real = load_finite(path).reshape({channels});
    if (has_real_bias(rule)) return {"float, after the accumulator", Tensor(), real};
    const bool hexagon = rule == RequantizeRule::r8;
    const Tensor scales = accumulator_scales(input_scale, weight_scale);
    for (int64_t c = 0; c < channels; ++c) {
        const float code =
            real.data<float>()[c] / scales.data<float>()[scales.numel() == 1 ? 0 : c];
        check_kind(std::fabs(code) < 0x1p31f, ErrorKind::usage, path, ": the bias ",
                   real.data<float>()[c], " of channel ", c, " is ", code,
                   " in steps of s_x s_w, which int32 does not hold; choose a larger weight scale");
    }
    const Tensor codes =
        bias_codes(hexagon ? BiasRule::hexagon : BiasRule::accumulator, real, scales);
    return {hexagon ? "float, to int32 with a scale of its own, to the accumulator's, half away"
                    : "float, rounded to int32 at the accumulator's scale, ties to even",
            codes, Tensor()};
}

// ---- the answer ------------------------------------------------------------------------------

struct Requantization {
    RequantizeRule rule = RequantizeRule::none;
    OutputGrid grid{};
    float input_scale = 0.0f;
    Tensor acc, weight_scale;
    Bias bias;
    std::vector<RequantizeConstants> constants;  // of each channel

    int64_t channels() const { return static_cast<int64_t>(constants.size()); }
    float weight_scale_of(int64_t c) const {
        return weight_scale.data<float>()[weight_scale.numel() == 1 ? 0 : c];
    }
    int32_t with_bias(int64_t i) const {
        const int32_t a = acc.data<int32_t>()[i];
        if (!bias.codes.defined()) return a;
        const int32_t b = bias.codes.data<int32_t>()[i % channels()];
        const int64_t sum = int64_t{a} + b;
        check_kind(sum == saturate_int32(sum), ErrorKind::data, "accumulator ", i, ", ", a,
                   ", and its bias ", b, " leave int32; take a smaller bias or a larger scale");
        return static_cast<int32_t>(sum);
    }
};

// Why the rule cannot represent this multiplier, as the end of a sentence; "" if it can.
std::string refusal_of(const Requantization& asked, const RequantizeConstants& k, double m,
                       const std::string& hardware) {
    const RequantizeRule rule = asked.rule;
    if (m >= 0x1p31) return "from 2^31 on every accumulator but 0 leaves int32";
    const bool in_integers = rule == RequantizeRule::r2 || rule == RequantizeRule::r3 ||
                             rule == RequantizeRule::r5 || rule == RequantizeRule::r8;
    if (!in_integers && !(std::isfinite(k.multiplier) && k.multiplier > 0.0f)) {
        return join("by the rule's steps in float32 it becomes ", k.multiplier);
    }
    if (rule == RequantizeRule::r5 && m < 0x1p-62) return "R5 shifts by at most 62";
    const OutputGrid& y = asked.grid;
    const bool held = (y.zero_point - y.qmin) / m < 0x1p31 && k.integer > 0;
    if (rule == RequantizeRule::r8 && !held) return "R8's min or recip would leave its integers";
    return hardware.empty() ? "" : multiplier_refusal(find_hardware(hardware), k.multiplier);
}

void check_constants(const Requantization& asked, const std::string& hardware) {
    for (int64_t c = 0; c < asked.channels(); ++c) {
        const RequantizeConstants& k = asked.constants[c];
        const double m = double{asked.input_scale} * asked.weight_scale_of(c) / asked.grid.scale;
        const std::string refusal = refusal_of(asked, k, m, hardware);
        check_kind(refusal.empty(), ErrorKind::usage, rule_name(asked.rule), ": channel ", c,
                   " has the multiplier ", m, "; ", refusal, "; choose other scales");
        const float bias = k.bias * k.bias_factor;
        check_kind(std::fabs(bias) < 0x1p31f, ErrorKind::usage, rule_name(asked.rule),
                   ": the float bias of channel ", c, " is ", bias,
                   asked.rule == RequantizeRule::r9 ? " output steps" : " accumulators",
                   ", beyond int32; take a smaller bias or larger scales");
    }
}

Requantization prepare(const RequantizeQuestion& question) {
    Requantization asked;
    asked.rule = rule_of(question);
    asked.grid = grid_of(question, asked.rule);
    asked.input_scale = scale_of_flag("--input-scale", question.input_scale);
    asked.acc = load_accumulators(question.accumulators);
    const int64_t channels = channels_of(asked.acc);
    asked.weight_scale = load_weight_scale(question.weight_scale, channels);
    asked.bias =
        load_bias(question.bias, asked.rule, asked.input_scale, asked.weight_scale, channels);
    asked.constants =
        channel_constants(asked.rule, Tensor::full({1}, asked.input_scale), asked.weight_scale,
                          asked.bias.floats, asked.grid, channels);
    check_constants(asked, question.hardware);
    return asked;
}

using Named = std::pair<const char*, std::string>;

// The constants of one channel that the rule uses.
std::vector<Named> constants_of(RequantizeRule rule, const RequantizeConstants& k) {
    switch (rule) {
        case RequantizeRule::r2:
        case RequantizeRule::r3:
            return {{"multiplier",
                     digits_text(std::ldexp(static_cast<double>(k.integer), k.shift - 31))},
                    {"Q31", std::to_string(k.integer)},
                    {"shift", std::to_string(k.shift)}};
        case RequantizeRule::r5:
            return {{"multiplier", bits_text(std::ldexp(1.0f, -k.shift))},
                    {"k", std::to_string(k.shift)}};
        case RequantizeRule::r8:
            return {{"recip", std::to_string(k.integer)}, {"min", std::to_string(k.offset)}};
        case RequantizeRule::r1f:
            return {{"multiplier", bits_text(k.multiplier)},
                    {"float bias", bits_text(k.bias)},
                    {"its factor", bits_text(k.bias_factor)}};
        case RequantizeRule::r9:
            return {{"multiplier", bits_text(k.multiplier)}, {"float bias", bits_text(k.bias)}};
        default:
            return {{"multiplier", bits_text(k.multiplier)}};
    }
}

std::vector<Named> channel_facts(const Requantization& asked, int64_t c) {
    std::vector<Named> facts{{"weight scale", bits_text(asked.weight_scale_of(c))}};
    if (asked.bias.codes.defined()) {
        facts.push_back({"int32 bias", std::to_string(asked.bias.codes.data<int32_t>()[c])});
    }
    for (const Named& constant : constants_of(asked.rule, asked.constants[c])) {
        facts.push_back(constant);
    }
    return facts;
}

void print_channels(const Requantization& asked, int64_t rows) {
    if (asked.channels() == 1) {
        for (const auto& [name, text] : channel_facts(asked, 0)) print_fact(std::cout, name, text);
        return;
    }
    std::vector<std::string> header{join("channel of ", asked.channels())};
    for (const Named& fact : channel_facts(asked, 0)) header.push_back(fact.first);
    ConsoleTable table(header);
    for (int64_t c = 0; c < std::min(rows, asked.channels()); ++c) {
        std::vector<std::string> cells{std::to_string(c)};
        for (const Named& fact : channel_facts(asked, c)) cells.push_back(fact.second);
        table.row(cells);
    }
    std::cout << '\n';
    table.print(std::cout, stream_is_utf8(1));
    std::cout << '\n';
}

void print_head(const Requantization& asked, int64_t rows) {
    const OutputGrid& y = asked.grid;
    print_fact(std::cout, "rule", join(rule_name(asked.rule), ": ", formula(asked.rule)));
    print_fact(std::cout, "input scale", bits_text(asked.input_scale));
    print_fact(std::cout, "output scale", bits_text(y.scale));
    print_fact(std::cout, "output zero point", std::to_string(y.zero_point));
    print_fact(std::cout, "codes", join("[", y.qmin, ", ", y.qmax, "]"));
    print_fact(std::cout, "bias", asked.bias.words);
    print_channels(asked, rows);
}

nlohmann::ordered_json constants_json(const Requantization& asked) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (int64_t c = 0; c < asked.channels(); ++c) {
        const RequantizeConstants& k = asked.constants[c];
        list.push_back({{"weight_scale", asked.weight_scale_of(c)},
                        {"multiplier", k.multiplier},
                        {"float_bias", k.bias},
                        {"bias_factor", k.bias_factor},
                        {"integer", k.integer},
                        {"shift", k.shift},
                        {"min", k.offset}});
        if (asked.bias.codes.defined()) {
            list.back()["int32_bias"] = asked.bias.codes.data<int32_t>()[c];
        }
    }
    return list;
}

nlohmann::ordered_json head_json(const Requantization& asked) {
    return {{"rule", rule_name(asked.rule)},
            {"formula", formula(asked.rule)},
            {"shape", asked.acc.shape().extents()},
            {"input_scale", asked.input_scale},
            {"output_scale", asked.grid.scale},
            {"output_zero_point", asked.grid.zero_point},
            {"qmin", asked.grid.qmin},
            {"qmax", asked.grid.qmax},
            {"bias", asked.bias.words},
            {"constants", constants_json(asked)}};
}

}  // namespace

int explain_requantize(const RequantizeQuestion& question) {
    if (!question.answer.empty()) {
        std::cout << question.answer;
        return 0;
    }
    const Requantization asked = prepare(question);
    StepRecord record({"element", "channel", "accumulator", "with bias"}, term_names(asked.rule),
                      asked.acc.shape(), question.rows);
    for (int64_t i = 0; i < asked.acc.numel(); ++i) {
        const int64_t c = i % asked.channels();
        const int32_t sum = asked.with_bias(i);
        record.add({i, c, asked.acc.data<int32_t>()[i], sum},
                   rule_steps(asked.rule, sum, asked.constants[c], asked.grid));
    }
    return record.finish(question.output, question.json, head_json(asked),
                         [&] { print_head(asked, question.rows); });
}

}  // namespace gradus
