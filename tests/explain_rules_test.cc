// ./explain requantize, add and average: answers worked out by hand, the same codes as the rules'
// own functions, every rule's steps, refusals.
#include <cmath>

#include "quant/hardware.h"
#include "quant/requantize_exact.h"
#include "quant/rule_steps.h"
#include "tensor/rng.h"
#include "tests/explain_process.h"

using namespace gradus;

namespace {

using Codes = std::vector<int32_t>;

const char* const kRules[] = {"R1", "R1b", "R1c", "R1f", "R2", "R3", "R5", "R8", "R9", "R10"};

Tensor ints(const Codes& values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size())});
}
Tensor floats(const std::vector<float>& values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

// Every accumulator times 2^-k.
struct Shifted : ExplainedCodes {
    Codes by(const std::string& rule, const Codes& acc, const std::string& multiplier,
             const Arguments& more = {}) {
        Arguments arguments{"requantize",
                            "--rule",
                            rule,
                            "--accumulators",
                            save("acc.npy", ints(acc)),
                            "--input-scale",
                            multiplier,
                            "--weight-scale",
                            "1",
                            "--output-scale",
                            "1",
                            "--qmin",
                            "-128",
                            "--qmax",
                            "127"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return codes(arguments);
    }
};

const char* const kHalf = "0.5";
const Codes kTies{-5, -3, -1, 1, 3, 5};  // times a half: -2.5 to 2.5

}  // namespace

BOOST_AUTO_TEST_SUITE(explain_rules, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(an_accumulator_that_float_rounds_onto_a_tie) {
    // 129 2^17 + 1, times 2^-18: 64.5 and a little. Float has 24 bits and loses the little.
    const Codes acc{16908289};
    const std::string m = "3.814697265625e-06";  // 2^-18
    Shifted out;
    BOOST_TEST(out.by("R1", acc, m) == Codes{64});
    BOOST_TEST(out.says("0x1p-18"));
    BOOST_TEST(out.says("16908288"));
    BOOST_TEST(out.says("on a tie            1"));
    BOOST_TEST(out.by("R3", acc, m) == Codes{65});
    BOOST_TEST(out.says("64.5000038147"));
    BOOST_TEST(out.says("on a tie            0"));
    BOOST_TEST(out.by("R2", acc, m) == Codes{65});
    BOOST_TEST(out.by("R5", acc, m) == Codes{65});
    BOOST_TEST(out.by("R10", acc, m) == Codes{64});
}

BOOST_AUTO_TEST_CASE(ties_go_where_the_rule_says) {
    const Codes even{-2, -2, 0, 0, 2, 2}, up{-2, -1, 0, 1, 2, 3}, away{-3, -2, -1, 1, 2, 3};
    Shifted out;
    for (const char* rule : {"R1", "r1b", "R1c", "r1f", "R9", "r10"}) {
        BOOST_TEST(out.by(rule, kTies, kHalf) == even, rule);
        BOOST_TEST(out.says("on a tie            6"));
    }
    BOOST_TEST(out.by("r3", kTies, kHalf) == up);
    BOOST_TEST(out.by("R5", kTies, kHalf) == up);
    // 0.5 is 2^30 2^0 in Q31: the product rounds up, no shift follows
    BOOST_TEST(out.by("R2", kTies, kHalf) == up);
    // 0.25 is 2^30 2^-1: the product is whole, the shift rounds away
    BOOST_TEST(out.by("R2", {-10, -6, -2, 2, 6, 10}, "0.25") == away);
    BOOST_TEST(out.says("on a tie            6"));
}

BOOST_AUTO_TEST_CASE(the_zero_point_of_r1c_is_inside_the_rounding) {
    const Arguments odd{"--output-zero-point", "1"};
    Shifted out;
    BOOST_TEST(out.by("R1", {1, 3}, kHalf, odd) == (Codes{1, 3}));   // rne(0.5) + 1, rne(1.5) + 1
    BOOST_TEST(out.by("R1c", {1, 3}, kHalf, odd) == (Codes{2, 2}));  // rne(1.5), rne(2.5)
}

BOOST_AUTO_TEST_CASE(r8_counts_levels_from_the_lowest_code) {
    // s_y / (s_x s_w) = 2: range = 255 2 = 510, recip = 255 2^31 / 510 = 2^30, min = -128 2 = -256
    Shifted out;
    BOOST_TEST(out.by("R8", {-1000, -3, -1, 0, 1, 3, 1000}, kHalf) ==
               (Codes{-128, -1, 0, 0, 1, 2, 127}));
    BOOST_TEST(out.says("1073741824"));
    BOOST_TEST(out.says("-256"));
    BOOST_TEST(out.says("1 below, 1 above"));
}

BOOST_AUTO_TEST_CASE(saturation_is_counted) {
    Shifted out;
    BOOST_TEST(out.by("R1", {-258, -257, -256, 254, 255, 256}, kHalf) ==
               (Codes{-128, -128, -128, 127, 127, 127}));
    // -129, rne(-128.5) = -128, -128, 127, rne(127.5) = 128, 128
    BOOST_TEST(out.says("1 below, 2 above"));
    BOOST_TEST(out.says("tie, clamped"));
}

// Every rounding shows its integer unclamped, also beyond int32.
BOOST_AUTO_TEST_CASE(what_is_clamped_is_shown_whole) {
    const auto shown = [](const std::string& rule, const std::string& scale) {
        Shifted out;
        out.by(rule, {INT32_MAX, INT32_MIN}, scale, {"--output-zero-point", "3", "--json"});
        std::vector<int64_t> rounded;
        const auto json = nlohmann::json::parse(out.end.out);
        for (const auto& element : json["elements"]) {
            rounded.push_back(element["rounded"]);
            // Floats this large absorb the zero point.
            const int64_t zero = rule[1] == '1' || rule == "R9" ? 0 : rule == "R8" ? -128 : 3;
            BOOST_TEST(element["with_zero_point"] == rounded.back() + zero);
        }
        return rounded;
    };
    using Wide = std::vector<int64_t>;
    const int64_t end = INT64_C(1) << 31;
    BOOST_TEST(shown("R3", "1") == (Wide{end - 1, -end}));
    BOOST_TEST(shown("R5", "1") == (Wide{end - 1, -end}));
    BOOST_TEST(shown("R5", "4") == (Wide{4 * end - 4, -4 * end}));
    BOOST_TEST(shown("R3", "4") == (Wide{4 * end - 4, -4 * end}));
    BOOST_TEST(shown("R1", "4") == (Wide{4 * end, -4 * end}));  // float has rounded 2^31 - 1 up
    BOOST_TEST(shown("R9", "4") == (Wide{4 * end, -4 * end}));
    BOOST_TEST(shown("R1c", "1") == (Wide{end, -end}));  // 2^31 + 3 in float
    // R2 saturates at int32 before its product, which is by a half: m = 2^30 2^2 in Q31
    BOOST_TEST(shown("R2", "2") == (Wide{end / 2, -end / 2}));
    // min = (-128 - 3) 2, recip = 2^30: (2^31 + 261) / 2, up, and (-2^31 + 262) / 2
    BOOST_TEST(shown("R8", "0.5") == (Wide{end / 2 + 131, -end / 2 + 131}));
}

BOOST_AUTO_TEST_CASE(channels_have_their_own_scales_and_biases) {
    ExplainedCodes out;
    const std::string acc =
        out.save("acc.npy", Tensor::from<int32_t>({8, 8, 8, -6, -6, -6}, {2, 3}));
    const std::string scales = out.save("w.npy", Tensor::from<double>({.5, .25, 1}, {3}));
    const Arguments flags{"requantize", "--accumulators", acc,    "--input-scale",
                          "1",          "--weight-scale", scales, "--output-scale",
                          "1",          "--qmin",         "-128", "--qmax",
                          "127"};
    const auto codes = [&](const std::string& rule, const std::string& bias) {
        Arguments all = flags;
        all.insert(all.end(), {"--rule", rule});
        if (!bias.empty()) all.insert(all.end(), {"--bias", bias});
        const Tensor q = out.run(all);
        BOOST_TEST(q.shape() == (Shape{2, 3}));
        return q.to_vector<int32_t>();
    };
    const std::string whole = out.save("i.npy", ints({2, -4, 1}));
    const std::string real = out.save("f.npy", floats({1, -1, .3f}));
    const std::string real64 = out.save("d.npy", Tensor::from<double>({1, -1, .3f}, {3}));
    BOOST_TEST(codes("R1", "") == (Codes{4, 2, 8, -3, -2, -6}));  // -1.5 to even
    BOOST_TEST(codes("R3", "") == (Codes{4, 2, 8, -3, -1, -6}));  // -1.5 up
    // accumulators 10, 4, 9, -4, -10, -5; -2.5 to even, up
    BOOST_TEST(codes("R1", whole) == (Codes{5, 1, 9, -2, -2, -5}));
    BOOST_TEST(codes("R9", whole) == (Codes{5, 1, 9, -2, -2, -5}));
    BOOST_TEST(codes("R3", whole) == (Codes{5, 1, 9, -2, -2, -5}));
    // as int32: 1 / 0.5 = 2, -1 / 0.25 = -4, 0.3 / 1 = 0
    for (const std::string& bias : {real, real64}) {
        BOOST_TEST(codes("R1", bias) == (Codes{5, 1, 8, -2, -2, -6}));
        BOOST_TEST(out.says("rounded to int32"));
        BOOST_TEST(codes("R9", bias) == (Codes{5, 1, 8, -2, -2, -6}));
        BOOST_TEST(out.says("float, after the accumulator"));
    }
    // a float keeps its fraction: (3 + 0.5) 1, not 3 + rne(0.5)
    const std::string half = out.save("h.npy", floats({0, 0, .5f}));
    BOOST_TEST(codes("R1", half)[2] == 8);
    BOOST_TEST(codes("R1f", half)[2] == 8);  // 8.5 to even
    BOOST_TEST(codes("R9", half)[5] == -6);  // -5.5 to even
    BOOST_TEST(codes("R1", half)[5] == -6);  // rne(0.5) = 0
    const std::string more = out.save("m.npy", floats({0, 0, .75f}));
    BOOST_TEST(codes("R9", more)[5] == -5);  // -5.25
    BOOST_TEST(codes("R1", more)[5] == -5);  // -6 + 1
}

BOOST_AUTO_TEST_CASE(the_bias_of_r8_has_a_scale_of_its_own) {
    ExplainedCodes out;
    const std::string acc = out.save("acc.npy", Tensor::zeros({1, 2}, DType::I32));
    // step = 1 / (2^31 - 1); 1 is 2^31 - 1 of them, back at the scale 0.5: 2. 0.25 is 536870911.75
    // of them, 536870912 (half away), back: 0.50000000047, which is 1 and not 0.
    const Arguments flags{"requantize",
                          "--accumulators",
                          acc,
                          "--input-scale",
                          "0.5",
                          "--weight-scale",
                          "1",
                          "--output-scale",
                          "0.5",
                          "--qmin",
                          "0",
                          "--qmax",
                          "255",
                          "--bias",
                          out.save("b.npy", floats({1, .25f}))};
    Arguments hexagon = flags, other = flags;
    hexagon.insert(hexagon.end(), {"--hardware", "hexagon-nn"});
    other.insert(other.end(), {"--rule", "R1"});
    BOOST_TEST(out.codes(hexagon) == (Codes{2, 1}));
    BOOST_TEST(out.says("half away"));
    BOOST_TEST(out.codes(other) == (Codes{2, 0}));  // rne(0.5)
}

BOOST_AUTO_TEST_CASE(every_rule_gives_the_codes_of_its_function) {
    const Rng rng(11);
    const int64_t channels = 3;
    for (const char* name : kRules) {
        const RequantizeRule rule = find_requantize_rule(name);
        const bool shifts = rule == RequantizeRule::r5;
        const std::vector<float> weights = shifts ? std::vector<float>{.5f, .25f, .0625f}
                                                  : std::vector<float>{.013f, .0071f, .0052f};
        const float sx = shifts ? .03125f : .037f, sy = shifts ? .25f : .11f;
        Codes acc;
        for (int i = 0; i < 300; ++i)
            acc.push_back(static_cast<int32_t>(rng.below(i, 60000)) - 30000);
        const Tensor a = Tensor::from(acc, {100, channels}), w = floats(weights);
        const Tensor bias = floats({.7f, -1.1f, .01f});
        ExplainedCodes out;
        const Codes got =
            out.codes({"requantize", "--rule", name, "--accumulators", out.save("a.npy", a),
                       "--input-scale", join(sx), "--weight-scale", out.save("w.npy", w),
                       "--output-scale", join(sy), "--output-zero-point", "3", "--qmin", "-128",
                       "--qmax", "127", "--bias", out.save("b.npy", bias)});
        const OutputGrid y{sy, 3, -128, 127};
        const bool real = has_real_bias(rule);
        const auto k =
            channel_constants(rule, Tensor::full({1}, sx), w, real ? bias : Tensor(), y, channels);
        Tensor scale = Tensor::empty({channels});
        for (int c = 0; c < channels; ++c) scale.data<float>()[c] = sx * weights[c];
        const Codes b =
            bias_codes(rule == RequantizeRule::r8 ? BiasRule::hexagon : BiasRule::accumulator, bias,
                       scale)
                .to_vector<int32_t>();
        int64_t wrong = 0;
        for (int64_t i = 0; i < 300; ++i) {
            const int32_t sum = acc[i] + (real ? 0 : b[i % channels]);
            wrong += got[i] != requantize_value(rule, sum, k[i % channels], y, y.qmin, y.qmax);
        }
        BOOST_TEST(wrong == 0, name);
    }
}

BOOST_AUTO_TEST_CASE(the_steps_lead_to_the_code) {
    const Rng rng(12);
    for (const char* name : kRules) {
        const RequantizeRule rule = find_requantize_rule(name);
        const OutputGrid y{.25f, 5, -128, 127};
        for (float sw : {.5f, .125f, .0078125f}) {
            const RequantizeConstants k =
                requantize_constants(rule, .25f, sw, y, has_real_bias(rule) ? .5f : 0.0f, false);
            for (int i = 0; i < 400; ++i) {
                const int32_t acc = static_cast<int32_t>(rng.below(i, 4000)) - 2000;
                const RuleSteps steps = rule_steps(rule, acc, k, y);
                BOOST_TEST(steps.terms.size() == term_names(rule).size());
                BOOST_TEST(steps.code == std::clamp<int64_t>(steps.with_zero, -128, 127));
                const double off = std::fabs(steps.value - static_cast<double>(steps.rounded));
                BOOST_TEST(off <= .5, name << " " << acc << ": " << steps.value);
                BOOST_TEST(steps.tie == (off == .5));
                const int32_t zero = rule == RequantizeRule::r1c  ? 0
                                     : rule == RequantizeRule::r8 ? -128
                                                                  : 5;
                BOOST_TEST(steps.with_zero == steps.rounded + zero);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_steps_of_an_addition_lead_to_the_code) {
    for (const Hardware& h : hardware_table()) {
        if (h.add == AddRule::none) continue;
        const bool shifts = h.add == AddRule::tvm;
        const CodeGrid a{.125f, shifts ? 0 : 7}, b{shifts ? .5f : .3f, shifts ? 0 : -3};
        const CodeGrid y{shifts ? 1.0f : .47f, shifts ? 0 : 4};
        const AddConstants k = add_constants(h.add, a, b, y);
        int64_t ties = 0;
        for (int32_t p = -128; p < 128; p += 5) {
            for (int32_t q = -128; q < 128; ++q) {
                const RuleSteps steps = rule_steps(h.add, p, q, k, {-128, 127});
                BOOST_REQUIRE(steps.code == residual_add_value(h.add, p, q, k, -128, 127));
                BOOST_REQUIRE(steps.code == std::clamp<int64_t>(steps.with_zero, -128, 127));
                BOOST_REQUIRE(std::fabs(steps.value - static_cast<double>(steps.rounded)) <= .5);
                BOOST_REQUIRE(steps.tie ==
                              (std::fabs(steps.value - static_cast<double>(steps.rounded)) == .5));
                ties += steps.tie;
            }
        }
        if (shifts) BOOST_TEST(ties > 0);
    }
}

BOOST_AUTO_TEST_CASE(additions_by_hand) {
    ExplainedCodes out;
    const auto add = [&](const char* hardware, const Codes& a, const Codes& b,
                         const std::string& scales, const std::string& zeros) {
        return out.codes({"add", "--hardware", hardware, "--lhs", out.save("a.npy", ints(a)),
                          "--rhs", out.save("b.npy", ints(b)), "--scales", scales, "--zero-points",
                          zeros, "--qmin", "-128", "--qmax", "127"});
    };
    // (a + b) / 2: -1.5, -0.5, 0.5, 1.5, and 100 + 100 over 1 saturates
    const Codes a{-2, -1, 0, 1}, b{-1, 0, 1, 2};
    BOOST_TEST(add("tensorrt", a, b, "0.5,0.5,1", "0,0,0") == (Codes{-2, 0, 0, 2}));
    BOOST_TEST(out.says("on a tie            4"));
    BOOST_TEST(add("xnnpack", a, b, "0.5,0.5,1", "0,0,0") == (Codes{-1, 0, 1, 2}));
    BOOST_TEST(add("qnnpack", a, b, "0.5,0.5,1", "0,0,0") == (Codes{-2, -1, 1, 2}));
    BOOST_TEST(add("tvm", a, b, "0.5,0.5,1", "0,0,0") == (Codes{-1, 0, 1, 2}));
    BOOST_TEST(add("onnxruntime", {100, 10}, {100, -10}, "1,1,1", "0,0,1") == (Codes{127, 1}));
    BOOST_TEST(out.says("0 below, 1 above"));
    // the zero point inside the rounding: rne(0.5 + 1), against rne(0.5) + 1
    BOOST_TEST(add("onnxruntime", {1}, {0}, "0.5,0.5,1", "0,0,1") == Codes{2});
    BOOST_TEST(add("fbgemm", {1}, {0}, "0.5,0.5,1", "0,0,1") == Codes{1});
}

BOOST_AUTO_TEST_CASE(averages_by_hand) {
    ExplainedCodes out;
    const auto average = [&](const char* hardware, const Codes& sums, const Arguments& more) {
        Arguments all{"average", "--hardware", hardware, "--sums", out.save("s.npy", ints(sums)),
                      "--scale", "0.1",        "--qmin", "-128",   "--qmax",
                      "127"};
        all.insert(all.end(), more.begin(), more.end());
        return out.codes(all);
    };
    // of four codes: -1.5, -0.5, 0.5, 1.5, 1.75, -1.75
    const Codes sums{-6, -2, 2, 6, 7, -7};
    const Arguments four{"--count", "4"}, windows{"--count", "4", "--windows"};
    BOOST_TEST(average("onnxruntime", sums, four) == (Codes{-2, 0, 0, 2, 2, -2}));
    BOOST_TEST(out.says("0x1p-2"));
    BOOST_TEST(out.says("on a tie            4"));
    BOOST_TEST(average("tflite", sums, four) == (Codes{-2, -1, 1, 2, 2, -2}));
    BOOST_TEST(average("tflite-single", sums, four) == (Codes{-1, 0, 1, 2, 2, -2}));
    BOOST_TEST(average("tflite-single", sums, windows) == (Codes{-2, -1, 1, 2, 2, -2}));
    BOOST_TEST(out.says("half-away"));
    BOOST_TEST(average("tvm", sums, four) == (Codes{-1, 0, 0, 1, 1, -1}));
    BOOST_TEST(average("hexagon-nn", sums, four) == (Codes{-1, 0, 1, 2, 2, -2}));
    // the zero point is outside the rounding, rne(0.5) + 1 with 0.5 = (6 - 4) / 4, or inside it
    BOOST_TEST(average("onnxruntime", {6}, {"--count", "4", "--zero-point", "1"}) == Codes{1});
    BOOST_TEST(average("xnnpack", {6}, {"--count", "4", "--zero-point", "1"}) == Codes{2});
    BOOST_TEST(out.says("0x1p-2"));
    BOOST_TEST(average("tflite", {6}, {"--count", "4", "--zero-point", "1"}) == Codes{2});
    BOOST_TEST(average("tvm", {-256, 254, 0}, {"--count", "2"}) == (Codes{-128, 127, 0}));
    BOOST_TEST(out.says("0 below, 0 above"));
    BOOST_TEST(average("tvm", {-256, 254, 0}, {"--count", "2", "--qmax", "6"}) ==
               (Codes{-128, 6, 0}));
    BOOST_TEST(out.says("0 below, 1 above"));
}

BOOST_AUTO_TEST_CASE(averages_of_windows_by_hand) {
    ExplainedCodes out;
    const auto average = [&](const char* hardware, const Codes& codes, const Arguments& more) {
        Arguments all{"average", "--hardware",
                      hardware,  "--windows",
                      "--codes", out.save("w.npy", Tensor::from<int32_t>(codes, {2, 4})),
                      "--scale", "0.5"};
        all.insert(all.end(), more.begin(), more.end());
        return out.codes(all);
    };
    // 1/2 and 5/2 above the zero point: onnxruntime has it inside the rounding, QNNPACK outside
    const Codes codes{5, 6, 5, 6, 7, 8, 7, 8};
    BOOST_TEST(average("onnxruntime", codes, {"--zero-point", "5"}) == (Codes{6, 8}));
    BOOST_TEST(out.says("sum of floats"));
    BOOST_TEST(out.says("codes in a sum"));
    BOOST_TEST(average("qnnpack", codes, {"--zero-point", "5"}) == (Codes{5, 7}));
    BOOST_TEST(average("fbgemm", codes, {"--zero-point", "5"}) == (Codes{5, 7}));
    BOOST_TEST(out.says("f32(1 / n)"));
}

BOOST_AUTO_TEST_CASE(the_steps_of_an_average_lead_to_the_code) {
    for (const Hardware& h : hardware_table()) {
        for (const PoolRule rule : {h.mean, h.window}) {
            if (rule == PoolRule::none) continue;
            for (const int32_t count : {4, 9, 49}) {
                const AverageConstants k = average_constants(rule, .1f, count);
                for (int32_t sum = -128 * count; sum <= 127 * count; ++sum) {
                    const WindowSum of{sum, static_cast<float>(sum - 5 * count) * .1f};
                    const RuleSteps steps = rule_steps(rule, of, count, k, 5, {-128, 127});
                    BOOST_REQUIRE(steps.terms.size() == term_names(rule).size());
                    BOOST_REQUIRE(steps.code == average_code(rule, of, count, k, 5, -128, 127));
                    BOOST_REQUIRE(steps.code == std::clamp<int64_t>(steps.with_zero, -128, 127));
                    const double off = std::fabs(steps.value - static_cast<double>(steps.rounded));
                    BOOST_REQUIRE(off <= (rule == PoolRule::truncated ? .98 : .5));
                    BOOST_REQUIRE(steps.tie == (off == .5));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(bytes_are_codes_and_a_target_has_its_own_ends) {
    ExplainedCodes out;
    const std::string a = out.save("a.npy", Tensor::from<uint8_t>({200, 0, 255}, {3, 1}));
    const std::string b = out.save("b.npy", Tensor::from<uint8_t>({100, 0, 255}, {3, 1}));
    const Tensor q =
        out.run({"add", "--lhs", a, "--rhs", b, "--scales", "1,1,1", "--zero-points", "0,0,0"});
    BOOST_TEST(q.shape() == (Shape{3, 1}));
    BOOST_TEST(q.to_vector<int32_t>() == (Codes{255, 0, 255}));
    BOOST_TEST(out.says("[0, 255]"));
    const std::string s = out.save("s.npy", Tensor::from<int8_t>({-100, 100}, {2}));
    BOOST_TEST(out.codes({"add", "--hardware", "tflite", "--lhs", s, "--rhs", s, "--scales",
                          "1,1,1"}) == (Codes{-128, 127}));
}

BOOST_AUTO_TEST_CASE(json_has_the_steps) {
    ExplainedCodes out;
    const std::string acc = out.save("acc.npy", ints({3, 5, 1000}));
    const ProcessOutcome end = run_explain({"requantize", "--hardware", "tflite", "--accumulators",
                                            acc, "--input-scale", "0.25", "--weight-scale", "1",
                                            "--output-scale", "1", "--rows", "2", "--json"});
    BOOST_TEST_REQUIRE(end.code == 0, end.err);
    const auto json = nlohmann::json::parse(end.out);
    BOOST_TEST(json["rule"] == "R2");
    BOOST_TEST(json["qmin"] == -128);
    BOOST_TEST(json["constants"][0]["integer"] == 1 << 30);
    BOOST_TEST(json["constants"][0]["shift"] == -1);
    BOOST_TEST(json["n"] == 3);
    BOOST_TEST(json["saturated_above"] == 1);
    BOOST_TEST(json["elements"].size() == 2);
    BOOST_TEST(json["elements"][1]["before_rounding"] == 1.5);  // rounded up from 2.5 to 3, halved
    BOOST_TEST(json["elements"][1]["code"] == 2);
    BOOST_TEST(out.folder.names() == Arguments{"acc.npy"});  // nothing without --output
    const ProcessOutcome sum = run_explain({"add", "--hardware", "xnnpack", "--lhs", acc, "--rhs",
                                            acc, "--scales", "1,1,1", "--json"});
    BOOST_TEST(sum.code == 3);  // 1000 is not a code
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
    ExplainedCodes files;
    const std::string acc = files.save("acc.npy", ints({1, 2, 3}));
    const std::string two = files.save("two.npy", Tensor::zeros({2, 2}, DType::I32));
    const auto refused = [&](int code, const std::string& array, Arguments more,
                             const std::vector<std::string>& parts) {
        more.insert(more.begin(), {"requantize", "--accumulators", array, "--input-scale", "0.3",
                                   "--output-scale", "0.7", "--qmin", "-128", "--qmax", "127"});
        check_refused(code, more, parts);
    };
    const std::string rules = "there are: R1 R1b R1c R1f R2 R3 R5 R8 R9 R10";
    refused(2, acc, {"--rule", "R4", "--weight-scale", "1"}, {"R4", rules});
    refused(2, acc, {"--rule", "none", "--weight-scale", "1"}, {"none", rules});
    refused(2, acc, {"--weight-scale", "1"}, {"--rule"});
    refused(2, acc, {"--rule", "R1"}, {"--weight-scale"});
    refused(2, acc, {"--rule", "R1", "--hardware", "tvm", "--weight-scale", "1"}, {"drop one"});
    refused(2, acc, {"--hardware", "academic", "--weight-scale", "1"}, {"academic", "floats"});
    refused(2, acc, {"--rule", "R5", "--weight-scale", "1"}, {"R5", "power of two", "0.7"});
    refused(2, acc, {"--rule", "R1", "--weight-scale", "-1"}, {"--weight-scale", "positive", "-1"});
    refused(2, acc, {"--rule", "R1", "--weight-scale", "w"}, {"--weight-scale", ".npy", "'w'"});
    refused(2, acc, {"--rule", "R1", "--weight-scale", "1", "--qmin", "127"}, {"--qmin", "127"});
    refused(2, acc, {"--rule", "R8", "--weight-scale", "1", "--qmin", "-300"}, {"R8", "255"});
    refused(2, acc, {"--rule", "R1", "--weight-scale", "1", "--input-scale", "1e-60"},
            {"--input-scale", "float32"});
    refused(2, acc, {"--rule", "R1", "--weight-scale", "1e40000"}, {"--weight-scale", "float32"});
    // Each scale alone is legal, their product is not.
    for (const char* rule : {"R1", "R1b", "R1c", "R1f", "R2", "R3", "R8", "R9", "R10"}) {
        refused(2, acc, {"--rule", rule, "--input-scale", "1e30", "--weight-scale", "1e28"},
                {rule, "multiplier 1.4", "2^31", "choose other scales"});
    }
    for (const char* rule : {"R1", "R1b", "R1c", "R1f", "R9", "R10"}) {
        refused(2, acc, {"--rule", rule, "--input-scale", "1e-30", "--weight-scale", "1e-28"},
                {rule, "becomes 0", "choose other scales"});
    }
    refused(2, acc, {"--rule", "R8", "--input-scale", "1e-9", "--weight-scale", "1"}, {"R8's min"});
    refused(2, acc,
            {"--rule", "R5", "--input-scale", "8.67361738e-19", "--weight-scale", "0.125",
             "--output-scale", "1"},
            {"R5", "by at most 62"});
    refused(2, acc, {"--hardware", "xnnpack", "--weight-scale", "1000"}, {"xnnpack takes", "256"});
    refused(2, acc, {"--hardware", "xnnpack", "--weight-scale", "1e-10"}, {"xnnpack takes"});
    // Zero points and codes that the row does not allow.
    const auto zero = [&](const std::string& place, const std::string& z, const std::string& part) {
        refused(2, acc,
                {place[0] == 'R' ? "--rule" : "--hardware", place, "--weight-scale", "0.5",
                 "--input-scale", "0.5", "--output-scale", "0.5", "--output-zero-point", z},
                {"--output-zero-point", z, part});
    };
    zero("R1", "128", "none of the codes [-128, 127]");
    zero("R3", "-129", "none of the codes [-128, 127]");
    zero("tflite", "200", "none of the codes [-128, 127]");
    zero("tensorrt", "3", "tensorrt are symmetric");
    zero("tvm", "-1", "tvm are symmetric");
    refused(2, acc, {"--hardware", "tflite", "--weight-scale", "1", "--qmax", "255"},
            {"[-128, 255]", "8 bits"});
    const Arguments plain{"--rule", "R1", "--weight-scale", "1"};
    const auto bias = [&](const std::string& name, const Tensor& values) {
        Arguments all = plain;
        all.insert(all.end(), {"--bias", files.save(name, values)});
        return all;
    };
    refused(3, files.folder.path("none.npy"), plain, {"none.npy", "check the path"});
    refused(3, files.save("f.npy", floats({1})), plain, {"f.npy", "int32", "F32"});
    refused(3, files.save("c.npy", Tensor::zeros({1, 1, 1}, DType::I32)), plain, {"[1, 1, 1]"});
    refused(3, files.save("e.npy", Tensor::zeros({0}, DType::I32)), plain, {"e.npy", "no value"});
    refused(3, acc, {"--rule", "R1", "--weight-scale", files.save("w.npy", floats({1, 1}))},
            {"w.npy", "[2]"});
    refused(3, two, {"--rule", "R1", "--weight-scale", files.save("z.npy", floats({1, 0}))},
            {"z.npy", "[1]", "positive"});
    refused(3, two, bias("b.npy", ints({1, 2, 3})), {"b.npy", "[3]", "2"});
    refused(3, acc, bias("big.npy", ints({INT32_MAX})), {"leave int32", "2147483647"});
    for (const char* rule : {"R1c", "R1f", "R9"}) {
        refused(2, acc,
                {"--rule", rule, "--weight-scale", "1", "--bias",
                 files.save("huge.npy", floats({1e30f}))},
                {rule, "bias of channel 0", "smaller bias"});
    }
    refused(1, acc, {"--rule", "R1", "--weight-scale", "1", "--output", acc + "/no/q.npy"},
            {"acc.npy/no", "choose another path"});

    const auto add = [&](int code, const Arguments& more, const std::vector<std::string>& parts) {
        Arguments all{"add", "--lhs", acc, "--rhs", acc};
        all.insert(all.end(), more.begin(), more.end());
        check_refused(code, all, parts);
    };
    add(2, {}, {"--scales"});
    add(2, {"--hardware", "academic", "--scales", "1,1,1"}, {"academic", "float", "onnxruntime"});
    add(2, {"--hardware", "acl", "--scales", "1,1,1"}, {"acl", "float"});
    add(2, {"--hardware", "tpu", "--scales", "1,1,1"}, {"tpu", "tflite"});
    add(2, {"--scales", "1,1"}, {"--scales", "three", "'1,1'"});
    add(2, {"--scales", "1,1,1,1"}, {"--scales", "three"});
    add(2, {"--scales", "1,0,1"}, {"--scales", "positive", "0"});
    add(2, {"--scales", "1,1,1", "--zero-points", "0,300,0"}, {"300", "[0, 255]"});
    add(2, {"--hardware", "xnnpack", "--scales", "1,1,0.001"}, {"XNNPACK", "2^8"});
    add(2, {"--hardware", "hexagon-nn", "--scales", "1,1,0.0001"}, {"Hexagon", "4095"});
    add(2, {"--hardware", "tvm", "--scales", "1,0.3,1"}, {"power of two", "0.3"});
    for (const char* row : {"onnxruntime", "tflite", "fbgemm", "snpe"}) {
        add(2, {"--hardware", row, "--scales", "1,1,1e-38"}, {"--scales", "1e-38", "float32"});
        add(2, {"--hardware", row, "--scales", "1,1,1e-4"}, {"--scales", "ratios", "10000"});
        add(2, {"--hardware", row, "--scales", "1,1e-9,1"}, {"--scales", "ratios", "1e-09"});
    }
    const std::string s8 = files.save("s8.npy", ints({-5, 2, 3}));
    add(2, {"--scales", "1,1,1", "--rhs", s8}, {"s8.npy", "-5 to 3", "onnxruntime", "[0, 255]"});
    add(2,
        {"--hardware", "tflite", "--scales", "1,1,1", "--lhs",
         files.save("u8.npy", ints({5, 2, 200}))},
        {"u8.npy", "2 to 200", "[-128, 127]", "--qmin"});
    add(2, {"--scales", "1,1,1", "--zero-points", "0,-3,0"}, {"-3", "[0, 255]"});
    add(2, {"--scales", "1,1,1", "--zero-points", "0,0,7", "--qmax", "6"}, {"7", "[0, 6]"});
    add(2, {"--hardware", "tensorrt", "--scales", "1,1,1", "--zero-points", "0,3,0"},
        {"tensorrt are symmetric", "3"});
    add(3, {"--scales", "1,1,1", "--rhs", files.save("o.npy", ints({1, 2}))},
        {"o.npy", "[2]", "[3]"});
    add(3, {"--scales", "1,1,1", "--rhs", files.save("w9.npy", ints({-1, 2, 128}))},
        {"w9.npy", "-1 to 128", "8 bits"});
    add(3, {"--scales", "1,1,1", "--rhs", files.save("f3.npy", floats({1, 2, 3}))},
        {"f3.npy", "F32"});

    const auto average = [&](int code, const Arguments& more,
                             const std::vector<std::string>& parts) {
        Arguments all{"average", "--sums", acc};
        all.insert(all.end(), more.begin(), more.end());
        check_refused(code, all, parts);
    };
    average(2, {"--scale", "1"}, {"--count"});
    average(2, {"--count", "4"}, {"--scale"});
    average(2, {"--count", "0", "--scale", "1"}, {"--count", "1"});
    average(2, {"--count", "4", "--scale", "1e-60"}, {"--scale", "float32"});
    average(2, {"--count", "4", "--scale", "1e-39"}, {"--scale", "float32"});
    average(2, {"--hardware", "acl", "--count", "4", "--scale", "1"},
            {"acl", "float", "tensorrt tvm"});
    average(2, {"--count", "4", "--scale", "1", "--zero-point", "-5"}, {"-5", "[0, 255]"});
    average(2, {"--hardware", "tvm", "--count", "4", "--scale", "1", "--zero-point", "1"},
            {"tvm are symmetric"});
    average(2, {"--count", "2", "--scale", "1", "--sums", files.save("neg.npy", ints({-3}))},
            {"neg.npy", "sum 0, -3", "[0, 255]"});
    average(2, {"--windows", "--count", "4", "--scale", "1"}, {"onnxruntime", "--codes"});
    average(2, {"--codes", acc, "--scale", "1"}, {"--sums and --codes"});
    check_refused(2, {"average", "--codes", acc, "--count", "3", "--scale", "1"}, {"--count"});
    check_refused(3, {"average", "--codes", acc, "--scale", "1"}, {"[windows, codes]"});
    const auto sums = [&](const std::string& path, const std::vector<std::string>& parts) {
        average(3, {"--count", "1", "--scale", "1", "--sums", path}, parts);
    };
    sums(files.save("s.npy", ints({255, 256})), {"s.npy", "sum 1, 256", "--count"});
    sums(files.save("n.npy", ints({-129})), {"n.npy", "-129"});
    sums(files.save("f4.npy", floats({1})), {"f4.npy", "int32", "F32"});
    sums(files.save("e4.npy", Tensor::zeros({0}, DType::I32)), {"e4.npy", "no value"});
}

BOOST_AUTO_TEST_SUITE_END()
