// ties -- vectors on both sides of every step from one code to the next, and the rules they
// distinguish.
#include "integer/ties.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "integer/accumulators.h"
#include "integer/execute.h"
#include "integer/lower.h"
#include "integer/rule_constants.h"
#include "models/models.h"
#include "quant/requantize_exact.h"
#include "tests/compare.h"
#include "tests/pooled_network.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

// A lowered network of 8 bits with the grids of its registers.
struct Network {
    QuantizedModel model;
    Program program;
    std::vector<std::optional<RegisterGrid>> grids;
    std::map<std::string, Shape> shapes;  // of the first input, by instruction

    Network(const std::string& hardware, const Graph& graph) {
        Recipe recipe;
        recipe.hardware = hardware;
        recipe.weight_bits = recipe.activation_bits = 8;
        model = small_quantized(recipe, 2, graph);
        program = lower(model);
        grids = register_grids(model, program);
        execute(program, small_images(1), IntegerKernel::readable, nullptr,
                {nullptr, [&](const Instruction& i, const std::vector<Tensor>& inputs,
                              const Tensor&) { shapes.emplace(i.name, inputs[0].shape()); }});
    }

    const RegisterGrid& grid(int reg) const { return grids.at(reg).value(); }
    Ties ties(const Instruction& i) const {
        std::vector<std::optional<RegisterGrid>> inputs;
        for (const int input : i.inputs) inputs.push_back(grids.at(input));
        return make_ties(i, inputs, shapes.at(i.name));
    }
};

const Network& network_on(const std::string& hardware) {
    static std::map<std::string, Network> networks;
    const auto found = networks.find(hardware);
    if (found != networks.end()) return found->second;
    return networks.emplace(hardware, Network(hardware, small_network())).first->second;
}

// 784 filters and nine sums: enough steps to show rules that differ once in a hundred thousand.
const Network& resnet_on(const std::string& hardware) {
    static std::map<std::string, Network> networks;
    const auto found = networks.find(hardware);
    if (found != networks.end()) return found->second;
    const Graph graph = build_model("resnet20", {{12, 12, 1}, 5, "half"}, Rng(1));
    return networks.emplace(hardware, Network(hardware, graph)).first->second;
}

int64_t differences(const Tensor& a, const Tensor& b) {
    const CodeReader left(a), right(b);
    int64_t count = 0;
    for (int64_t e = 0; e < a.numel(); ++e) count += left[e] != right[e];
    return count;
}

// The instruction with another rule, its constants made from the same scales.
Instruction with_rule(const Network& n, Instruction i, RequantizeRule rule) {
    const Quantizer& q = *weight_quantizer(n.model, i.name);
    const RegisterGrid& y = n.grid(i.output);
    const Tensor scale = q.algorithm->grid(q).scale;
    for (const char* name : {"multiplier", "integer", "shift", "offset"}) i.constants.erase(name);
    store_constants(
        i, rule,
        channel_constants(rule, Tensor::full({1}, n.grid(i.inputs[0]).scale), scale, Tensor(),
                          {y.scale, y.zero_point, y.format.qmin(), y.format.qmax()},
                          i.constants.at("weight").shape()[0]));
    return i;
}

// The sum of operands whose scales are larger by k sixteenths.
Instruction with_rule(const Network& n, Instruction i, AddRule rule, int k = 0) {
    const auto wider = [&](const RegisterGrid& g) {
        return CodeGrid{g.scale * (1.0f + 0.0625f * static_cast<float>(k)), g.zero_point};
    };
    const RegisterGrid& y = n.grid(i.output);
    i.attributes.set("rule", static_cast<int64_t>(rule));
    store_constants(i, add_constants(rule, wider(n.grid(i.inputs[0])), wider(n.grid(i.inputs[1])),
                                     {y.scale, y.zero_point}));
    return i;
}

Instruction with_rule(const Network&, Instruction i, PoolRule rule) {
    i.attributes.set("rule", static_cast<int64_t>(rule));
    return i;
}

// Counts codes of a network's tie vectors for which the wrong rule differs.
template <class Rule, class Fits>
int64_t told_apart(const Network& n, Rule wrong, const Fits& fits) {
    int64_t count = 0;
    for (const Instruction& i : n.program.instructions) {
        if (i.is_float || !i.attributes.has("rule") || !fits(i)) continue;
        const Ties ties = n.ties(i);
        BOOST_TEST(same_bits(replay_ties(i, ties.given), ties.output), i.name);
        count += differences(replay_ties(with_rule(n, i, wrong), ties.given), ties.output);
    }
    return count;
}

// All pairs of codes of a network's sums, at their own and fifteen other scales: additions differ
// in a few of a million.
int64_t sums_told_apart(const Network& n, AddRule wrong) {
    int64_t count = 0;
    for (const Instruction& i : n.program.instructions) {
        if (i.op != "add" || i.is_float) continue;
        const Ties ties = n.ties(i);
        BOOST_TEST(same_bits(replay_ties(with_rule(n, i, n.model.hardware->add), ties.given),
                             ties.output));
        const int scales = n.model.hardware->activation.power_of_two ? 1 : 16;
        for (int k = 0; k < scales; ++k) {
            const Tensor right =
                replay_ties(with_rule(n, i, n.model.hardware->add, 2 * k), ties.given);
            count += differences(replay_ties(with_rule(n, i, wrong, 2 * k), ties.given), right);
        }
    }
    return count;
}

bool weighted(const Instruction& i) {
    return i.op == "conv2d" || i.op == "linear";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ties, *boost::unit_test::label("network"))

// This proves a non-decreasing rule right everywhere: between two steps there is only one code.
BOOST_AUTO_TEST_CASE(both_sides_of_every_step_are_there) {
    for (const Hardware& row : hardware_table()) {
        const Network& n = network_on(row.name);
        int64_t steps = 0, ends = 0;
        for (const Instruction& i : n.program.instructions) {
            if (i.is_float || !weighted(i) || i.constants.count("scale")) continue;
            const Ties ties = n.ties(i);
            const Tensor& acc = ties.given.at("accumulator");
            const int64_t channels = acc.shape()[1], rows = acc.shape()[0];
            const auto reach = accumulator_ranges(i, n.grid(i.inputs[0]).bounds);
            const auto lo = static_cast<int32_t>(i.attributes.integer("lo"));
            const auto hi = static_cast<int32_t>(i.attributes.integer("hi"));
            BOOST_TEST(rows == 2 * (hi - lo) + 4);
            const int32_t* a = acc.data<int32_t>();
            const CodeReader q(ties.output);
            for (int64_t e = 0; e < (rows - 4) * channels; ++e) {
                if (e / channels % 2 == 1) continue;
                const int64_t c = e % channels, next = e + channels;
                const auto code = lo + static_cast<int32_t>(e / channels / 2);
                const bool step = q[e] <= code && q[next] > code && a[next] == a[e] + 1;
                const bool end = (a[next] == reach[c].lo && q[next] > code) ||
                                 (a[next] == reach[c].hi && q[next] <= code);
                BOOST_TEST((step || end), row.name << ' ' << i.name << ' ' << e);
                (step ? steps : ends) += 1;
            }
            for (int64_t c = 0; c < channels; ++c) {
                BOOST_TEST(a[(rows - 4) * channels + c] == reach[c].lo, i.name);
                BOOST_TEST(a[(rows - 3) * channels + c] == reach[c].hi, i.name);
            }
        }
        if (row.requantize != RequantizeRule::none) BOOST_TEST(steps > ends, row.name);
    }
}

// The least and the largest accumulator, from inputs that make them.
BOOST_AUTO_TEST_CASE(the_ends_of_the_accumulators_are_reached) {
    for (const char* hardware : {"onnxruntime", "fbgemm", "hexagon-nn", "tflite"}) {
        const Network& n = network_on(hardware);
        for (const Instruction& i : n.program.instructions) {
            if (i.op != "linear") continue;
            const RegisterGrid& x = n.grid(i.inputs[0]);
            const Tensor& w = i.constants.at("weight");
            const int64_t depth = w.shape()[1];
            const auto reach = accumulator_ranges(i, x.bounds);
            std::vector<int32_t> z(1, 0);
            const auto found = i.constants.find("weight_zero_point");
            if (found != i.constants.end()) z = found->second.to_vector<int32_t>();
            z.resize(w.shape()[0], z[0]);
            for (int64_t c = 0; c < w.shape()[0]; ++c) {
                Tensor inputs = Tensor::empty({2, depth}, x.format.code_dtype());
                auto* bytes = static_cast<uint8_t*>(inputs.raw());
                for (int64_t k = 0; k < depth; ++k) {
                    const bool rises = CodeReader(w)[c * depth + k] > z[c];
                    bytes[k] = static_cast<uint8_t>(rises ? x.bounds.lo : x.bounds.hi);
                    bytes[depth + k] = static_cast<uint8_t>(rises ? x.bounds.hi : x.bounds.lo);
                }
                Tensor sums;
                execute(i, {inputs}, IntegerKernel::readable,
                        [&](const Instruction&, const Tensor& t) { sums = t; });
                BOOST_TEST(sums.data<int32_t>()[c] == reach[c].lo);
                BOOST_TEST(sums.data<int32_t>()[w.shape()[0] + c] == reach[c].hi);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(requantizations_are_told_apart) {
    using enum RequantizeRule;
    const struct {
        const char* hardware;
        RequantizeRule wrong;
    } cases[] = {{"onnxruntime", r1b},  {"onnxruntime", r3}, {"snpe", r3},   {"xnnpack", r1b},
                 {"xnnpack", r2},       {"qnnpack", r1},     {"tflite", r3}, {"tflite", r1},
                 {"tflite-single", r2}, {"tvm", r2},         {"tvm", r1},    {"hexagon-nn", r3},
                 {"acl", r1},           {"acl", r3}};
    for (const auto& c : cases) {
        const int64_t count = told_apart(resnet_on(c.hardware), c.wrong, weighted);
        BOOST_TEST(count > 0, c.hardware << " as " << rule_name(c.wrong));
        BOOST_TEST_MESSAGE(c.hardware << " as " << rule_name(c.wrong) << ": " << count);
    }
}

BOOST_AUTO_TEST_CASE(additions_are_told_apart) {
    using enum AddRule;
    const struct {
        const char* hardware;
        AddRule wrong;
    } cases[] = {{"onnxruntime", torch},    {"onnxruntime", real},
                 {"fbgemm", onnxruntime},   {"xnnpack", qnnpack},
                 {"qnnpack", xnnpack},      {"tflite", tflite_single},
                 {"tflite-single", tflite}, {"tvm", real},
                 {"hexagon-nn", real},      {"snpe", torch}};
    for (const auto& c : cases) {
        const int64_t count = sums_told_apart(resnet_on(c.hardware), c.wrong);
        BOOST_TEST(count > 0, c.hardware << " as " << rule_name(c.wrong));
        BOOST_TEST_MESSAGE(c.hardware << " as " << rule_name(c.wrong) << ": " << count);
    }
}

// Windows of 4, 6 and 9 codes.
BOOST_AUTO_TEST_CASE(averages_are_told_apart) {
    using enum PoolRule;
    const struct {
        const char* hardware;
        PoolRule wrong;
    } cases[] = {{"onnxruntime", half_away}, {"onnxruntime", real}, {"tflite", real},
                 {"tflite", truncated},      {"tvm", half_away},    {"hexagon-nn", truncated},
                 {"hexagon-nn", real}};
    for (const auto& c : cases) {
        const Network n(c.hardware, pooled_network(pool_windows[2]));
        const int64_t count =
            told_apart(n, c.wrong, [](const Instruction& i) { return i.op == "average_pool2d"; });
        BOOST_TEST(count > 0, c.hardware << " as " << rule_name(c.wrong));
        BOOST_TEST_MESSAGE(c.hardware << " as " << rule_name(c.wrong) << ": " << count);
    }
}

// The mean of four codes.
BOOST_AUTO_TEST_CASE(global_averages_are_told_apart) {
    using enum PoolRule;
    const struct {
        const char* hardware;
        PoolRule wrong;
    } cases[] = {{"onnxruntime", half_away}, {"tflite", mean_single}, {"tflite-single", mean},
                 {"xnnpack", half_away},     {"tvm", half_away},      {"hexagon-nn", truncated}};
    for (const auto& c : cases) {
        const int64_t count = told_apart(resnet_on(c.hardware), c.wrong, [](const Instruction& i) {
            return i.op == "global_average_pool";
        });
        BOOST_TEST(count > 0, c.hardware << " as " << rule_name(c.wrong));
        BOOST_TEST_MESSAGE(c.hardware << " as " << rule_name(c.wrong) << ": " << count);
    }
}

// 131,072 sums of 8 bits: both sides of every step instead.
BOOST_AUTO_TEST_CASE(averages_of_many_codes_have_both_sides_of_every_step) {
    Instruction i;
    i.name = "avgpool";
    i.op = "global_average_pool";
    i.inputs = {0};
    for (const auto& [name, value] : std::map<std::string, int64_t>{{"zero_point", 3},
                                                                    {"qmin", 0},
                                                                    {"qmax", 255},
                                                                    {"lo", 0},
                                                                    {"hi", 255},
                                                                    {"signed", 0}}) {
        i.attributes.set(name, value);
    }
    i.attributes.set("rule", static_cast<int64_t>(PoolRule::real));
    i.constants["scale"] = Tensor::full({1}, 0.25f);
    RegisterGrid grid;
    grid.scale = 0.25f;
    grid.format.is_signed = false;
    const Ties few = make_ties(i, {grid}, {1, 16, 16, 1});
    BOOST_TEST(few.output.numel() == 256 * 255 + 1);
    const Ties many = make_ties(i, {grid}, {1, 32, 16, 1});
    BOOST_TEST(many.output.numel() == 2 * 255 + 3);
    const int32_t* sum = many.given.at("sum").data<int32_t>();
    const CodeReader q(many.output);
    for (int code = 0; code < 255; ++code) {
        BOOST_TEST(sum[2 * code + 1] == sum[2 * code] + 1);
        BOOST_TEST(q[2 * code] == code);
        BOOST_TEST(q[2 * code + 1] == code + 1);
    }
}

// A layer of many channels: fewer steps in each, all of them together.
BOOST_AUTO_TEST_CASE(layers_of_many_channels_share_the_steps) {
    const Network& n = network_on("onnxruntime");
    for (Instruction i : n.program.instructions) {
        if (i.name != "block1.conv1") continue;
        const int64_t filters = 1024;
        const Tensor w = i.constants.at("weight");
        std::vector<int8_t> codes;
        std::vector<float> multipliers;
        while (static_cast<int64_t>(multipliers.size()) < filters) {
            const auto more = w.to_vector<int8_t>();
            codes.insert(codes.end(), more.begin(), more.end());
            const auto scales = i.constants.at("multiplier").to_vector<float>();
            multipliers.insert(multipliers.end(), scales.begin(), scales.end());
        }
        i.constants["weight"] =
            Tensor::from(codes, {filters, w.shape()[1], w.shape()[2], w.shape()[3]});
        i.constants["multiplier"] = Tensor::from(multipliers, {filters});
        i.constants.erase("bias");
        const Ties ties = n.ties(i);
        const int64_t rows = ties.output.shape()[0];
        BOOST_TEST(ties.output.numel() <= 1.25 * (1 << 16));
        std::set<int32_t> seen;
        const CodeReader q(ties.output);
        for (int64_t e = 0; e < (rows - 4) * filters; ++e) seen.insert(q[e]);
        const int64_t lo = i.attributes.integer("lo"), hi = i.attributes.integer("hi");
        BOOST_TEST(static_cast<int64_t>(seen.size()) == hi - lo + 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
