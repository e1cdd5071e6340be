// Every deployable algorithm in a network: the simulation and the integers agree in every code and
// logit, an evaluation does not depend on batches, everything that learns gets gradients; and the
// results of calibration and of the re-estimation of batch norm.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>

#include "integer/compare.h"
#include "integer/lower.h"
#include "tests/files.h"
#include "tests/pooled_network.h"
#include "tests/quantizers.h"
#include "tests/row_cases.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(deployment, *boost::unit_test::label("network"))

namespace {

Recipe recipe_of(const std::string& algorithm, const std::string& hardware, int bits = 4) {
    Recipe recipe;
    recipe.algorithm = algorithm;
    recipe.hardware = hardware;
    recipe.weight_bits = recipe.activation_bits = bits;
    return recipe;
}

// Empty if the algorithm supports this hardware, else the reason.
std::string refusal(const Recipe& recipe) {
    try {
        quantize(small_network(), recipe);
        return "";
    } catch (const Error& error) {
        BOOST_TEST((error.kind() == ErrorKind::usage));
        return error.what();
    }
}

// The expected reason why an algorithm is refused on a hardware; empty if it deploys.
std::string expected_refusal(const Algorithm& row, const Hardware& hardware) {
    if (row.not_deployable) return "not deployable";
    const std::string name = row.name;
    if (name == "tqt" && !hardware.activation.symmetric) return "no zero point";
    return "";
}

std::vector<Recipe> deployable() {
    std::vector<Recipe> recipes;
    for (const Hardware& hardware : hardware_table()) {
        for (const Algorithm& row : algorithms()) {
            if (!expected_refusal(row, hardware).empty()) continue;
            recipes.push_back(recipe_of(row.name, hardware.name));
        }
    }
    return recipes;
}

std::string name_of(const Recipe& recipe) {
    return join(recipe.algorithm, recipe.weight_algorithm, ' ', recipe.activation_algorithm, ' ',
                recipe.hardware, ' ', recipe.weight_bits, " folding ", recipe.bn_fold.value_or(-2));
}

void check_integers(const Recipe& recipe, const Graph& network = small_network()) {
    BOOST_TEST_CONTEXT(name_of(recipe)) {
        const QuantizedModel model = small_quantized(recipe, 4, network);
        const Program program = lower(model);
        BOOST_TEST(compare_constants(model, program).empty());
        Comparison comparison(model, program);
        comparison.add(small_images(24, 77), IntegerKernel::fastest);
        comparison.add(small_images(3, 78), IntegerKernel::readable);
        BOOST_TEST(comparison.codes_different() == 0);
        BOOST_TEST(comparison.logits_different() == 0);
        BOOST_TEST(comparison.first_different() == "");
        BOOST_TEST(comparison.codes_compared() > 10000);
    }
}

// The codes of every activation, by quantizer.
std::map<std::string, std::vector<int32_t>> codes_of(const QuantizedModel& model,
                                                     const Tensor& images) {
    std::map<std::string, std::vector<int32_t>> codes;
    execute(model.inference, images, RunMode{}, [&](const Node& node, const Variable& value) {
        if (node.op != "quantize") return;
        const auto* q = dynamic_cast<const Quantizer*>(node.payload.get());
        if (q->role == Role::weight) return;
        codes[node.name] = integers(value.exact()->terms.at(0).codes);
    });
    return codes;
}

Tensor image(const Tensor& images, int64_t n) {
    const int64_t size = images.numel() / images.shape()[0];
    const float* begin = images.data<float>() + n * size;
    return Tensor::from(std::vector<float>(begin, begin + size), {1, 12, 12, 1});
}

std::vector<Tensor> parameters_of(const QuantizedModel& model) {
    std::vector<Tensor> values;
    for (const auto& p : model.training.parameters()) values.push_back(p->value.clone());
    return values;
}

}  // namespace

// A row whose rule ignores a float bias would lose it silently.
BOOST_AUTO_TEST_CASE(bias_and_requantization_of_a_row_fit) {
    for (const Hardware& hardware : hardware_table()) {
        BOOST_TEST((hardware.bias == BiasRule::real) == has_real_bias(hardware.requantize),
                   hardware.name);
    }
}

BOOST_AUTO_TEST_CASE(what_hardware_refuses_is_refused_with_the_reason) {
    for (const Hardware& hardware : hardware_table()) {
        for (const Algorithm& row : algorithms()) {
            const std::string text = refusal(recipe_of(row.name, hardware.name));
            const std::string expected = expected_refusal(row, hardware);
            const bool as_expected =
                expected.empty() ? text.empty() : text.find(expected) != std::string::npos;
            BOOST_TEST(as_expected, hardware.name << ' ' << row.name << ": " << text);
        }
    }
}

static std::vector<Recipe> deployable_of_all_widths() {
    std::vector<Recipe> recipes = deployable();
    for (const int bits : {2, 8}) {
        for (Recipe recipe : deployable()) {
            recipe.weight_bits = recipe.activation_bits = bits;
            if (recipe.algorithm != "lsq") recipes.push_back(recipe);  // tests/integer_test.cc
        }
    }
    return recipes;
}

const RowCases every_algorithm(
    "every_algorithm_is_the_same_in_integers", __FILE__, __LINE__, deployable_of_all_widths(),
    [](const Recipe& recipe) {
        return join(recipe.hardware, ' ', recipe.algorithm, ' ', recipe.weight_bits);
    },
    [](const Recipe& recipe) { check_integers(recipe); });

BOOST_AUTO_TEST_CASE(every_folding_is_the_same_in_integers) {
    for (const char* hardware : {"academic", "acl", "onnxruntime"}) {
        const bool apart = !find_hardware(hardware).integer_throughout();
        for (int folding = apart ? -1 : 0; folding <= 4; ++folding) {
            Recipe recipe = recipe_of("lsq", hardware);
            recipe.bn_fold = folding;
            check_integers(recipe);
            check_integers(recipe, with_conv_biases(small_network()));
        }
    }
}

// acl requantizes the input of a single layer; an unfolded batch norm after a layer reads floats,
// directly after the layer or after its ReLU.
BOOST_AUTO_TEST_CASE(a_batch_norm_that_is_not_folded_reads_floats) {
    for (const bool relu_first : {false, true}) {
        GraphBuilder g({12, 12, 1}, Rng(3));
        int x = g.conv2d("conv1", g.input(), 1, 8, 3, square_conv(1, 1));
        if (relu_first) x = g.relu("relu1", x);
        x = g.relu("relu2", g.batch_norm("bn1", x, 8));
        x = g.relu("relu3", g.conv2d("conv2", x, 8, 8, 3, square_conv(2, 1)));
        x = g.conv2d("conv3", x, 8, 8, 3, square_conv(1, 1));
        const Graph network =
            g.finish(g.linear("fc", g.flatten("flatten", g.global_average_pool("pool", x)), 8, 5));
        Recipe recipe = recipe_of("lsq", "acl");
        recipe.bn_fold = -1;
        check_integers(recipe, network);
        const QuantizedModel model = quantize(network, recipe);
        const auto keeps_codes = [&](const char* name) {
            return model.inference.node(model.inference.find(name)).attributes.has("accumulator");
        };
        BOOST_TEST(!keeps_codes("conv1"));
        BOOST_TEST(keeps_codes("conv2"));
    }
}

// A layer of one filter has one scale even on a per-channel row: FBGEMM then fuses its float bias.
BOOST_AUTO_TEST_CASE(a_layer_of_one_filter_is_the_same_in_integers) {
    GraphBuilder g({12, 12, 1}, Rng(3));
    const int x = g.conv2d("conv1", g.input(), 1, 8, 3, square_conv(1, 1));
    const int one = g.conv2d("conv2", g.relu("relu1", x), 8, 1, 1, square_conv(1, 0));
    const int last = g.conv2d("conv3", g.relu("relu2", one), 1, 8, 3, square_conv(2, 1));
    const int pooled = g.global_average_pool("avgpool", g.relu("relu3", last));
    const Graph network =
        with_conv_biases(g.finish(g.linear("fc", g.flatten("flatten", pooled), 8, 5)));
    for (const Hardware& hardware : hardware_table()) {
        for (const int bits : {4, 8}) {
            check_integers(recipe_of("lsq", hardware.name, bits), network);
        }
    }
}

// Tries every algorithm: padding must have a code to be summed.
BOOST_AUTO_TEST_CASE(every_accumulator_is_the_same_in_integers) {
    for (Recipe recipe : deployable()) {
        for (const auto policy : find_hardware(recipe.hardware).accumulators) {
            if (policy == AccumulatorPolicy::exact) continue;
            recipe.accumulator = policy;
            recipe.weight_bits = recipe.activation_bits = 8;
            check_integers(recipe);
        }
    }
}

// One filter a channel, two filters a channel, and groups of two channels.
Graph grouped_network() {
    GraphBuilder g({8, 8, 1}, Rng(3));
    const auto layer = [&](const std::string& n, int x, int64_t in, int64_t out, int64_t groups) {
        x = g.conv2d("conv" + n, x, in, out, 3, square_conv(1, 1, groups));
        return g.relu("relu" + n, g.batch_norm("bn" + n, x, out));
    };
    int x = layer("1", g.input(), 1, 8, 1);
    x = layer("_alone", x, 8, 8, 8);
    x = layer("_twice", x, 8, 16, 8);
    x = layer("_pairs", x, 16, 8, 8);
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, 8, 5));
}

BOOST_AUTO_TEST_CASE(onnxruntime_sums_depthwise_layers_exactly) {
    for (const char* hardware : {"onnxruntime", "fbgemm"}) {
        Recipe recipe = recipe_of("minmax", hardware, 8);
        recipe.accumulator = AccumulatorPolicy::pairs16;
        check_integers(recipe, grouped_network());
        std::set<std::string> exact;
        for (const Instruction& i :
             lower(small_quantized(recipe, 1, grouped_network())).instructions) {
            const bool pairs = i.attributes.has("accumulator_policy");
            if (i.constants.count("weight") && !pairs) exact.insert(i.name);
        }
        const bool has_own_kernel = hardware == std::string("onnxruntime");
        BOOST_TEST((exact == (has_own_kernel ? std::set<std::string>{"conv_alone"}
                                             : std::set<std::string>{})));
    }
}

// Integers that sum otherwise than the simulation are told from it.
BOOST_AUTO_TEST_CASE(an_accumulator_that_saturates_differs_from_the_exact_one) {
    Recipe recipe = recipe_of("minmax", "fbgemm", 8);
    recipe.accumulator = AccumulatorPolicy::pairs16;
    const QuantizedModel model = small_quantized(recipe);
    const Program pairs = lower(model);
    for (const char* policy : {"exact", "acc16"}) {
        Program other = pairs;
        for (Instruction& i : other.instructions) {
            if (i.constants.count("weight")) i.attributes.set("accumulator_policy", policy);
        }
        BOOST_TEST(compare_constants(model, other).size() == 7u);
        Comparison comparison(model, other);
        comparison.add(small_images(24, 77), IntegerKernel::fastest);
        BOOST_TEST(comparison.codes_different() > 0, policy);
    }
}

BOOST_AUTO_TEST_CASE(hardware_that_sums_exactly_refuses_other_accumulators) {
    for (const Hardware& hardware : hardware_table()) {
        Recipe recipe = recipe_of("minmax", hardware.name);
        recipe.accumulator = AccumulatorPolicy::acc16;
        const std::string text = refusal(recipe);
        BOOST_TEST(text.empty() == (hardware.name == std::string("fbgemm")), hardware.name);
        if (text.empty()) continue;
        BOOST_TEST(text.find("acc16") != std::string::npos, text);
        BOOST_TEST(text.find("fbgemm") != std::string::npos, text);
        recipe.accumulator = AccumulatorPolicy::pairs16;
        BOOST_TEST(refusal(recipe).empty() == (hardware.name == std::string("onnxruntime")));
    }
}

BOOST_AUTO_TEST_CASE(weights_and_activations_are_chosen_apart) {
    const std::vector<std::pair<std::string, std::string>> pairs{
        {"dorefa", "lsq"}, {"lsq", "dsq"}, {"dsq", "pact"}, {"minmax", "lsq+"}, {"lsq+", "minmax"}};
    for (const auto& [weight, activation] : pairs) {
        for (const char* hardware : {"academic", "onnxruntime"}) {
            Recipe recipe = recipe_of("", hardware);
            recipe.weight_algorithm = weight;
            recipe.activation_algorithm = activation;
            check_integers(recipe);
            for (const auto& q : quantize(small_network(), recipe).quantizers) {
                if (q->format.bits != 4) continue;  // the first and last layer may use minmax
                const std::string want = q->role == Role::weight ? weight : activation;
                BOOST_TEST(q->algorithm->name == want, q->name);
            }
        }
    }
}

namespace {

// The message of lowering after the scale of this parameter is multiplied by `factor`.
std::string refusal_of_scales(const std::string& hardware, const std::string& parameter,
                              float factor) {
    const QuantizedModel model = small_quantized(recipe_of("minmax", hardware, 8));
    Tensor& scale = model.inference.node(model.inference.find(parameter)).parameter->value;
    lower(model);
    for (int64_t c = 0; c < scale.numel(); ++c) scale.data<float>()[c] *= factor;
    try {
        lower(model);
        return "";
    } catch (const Error& error) {
        BOOST_TEST((error.kind() == ErrorKind::runtime));
        return error.what();
    }
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(scales_that_the_library_refuses_are_refused_with_the_layer) {
    const std::string shortcut = "block2.downsample.1.quantizer.scale";
    for (const auto& [hardware, factor] :
         {std::pair{"xnnpack", 0x1p-12f}, {"qnnpack", 0x1p-16f}, {"hexagon-nn", 0x1p13f}}) {
        const std::string text = refusal_of_scales(hardware, shortcut, factor);
        BOOST_TEST(contains(text, "lower: block2.add: the ratios"), hardware << text);
    }
    // Scales of weights have a floor; those of outputs decrease multipliers further.
    const std::string weights = "block1.conv1.weight.quantizer.scale";
    const std::string output = "block1.relu1.quantizer.scale";
    for (const auto& [hardware, parameter, factor] : {std::tuple{"xnnpack", weights, 0x1p30f},
                                                      {"xnnpack", output, 0x1p30f},
                                                      {"qnnpack", output, 0x1p120f}}) {
        const std::string text = refusal_of_scales(hardware, parameter, factor);
        BOOST_TEST(contains(text, "lower: block1.conv1: the multiplier"), hardware << text);
    }
    BOOST_TEST(refusal_of_scales("onnxruntime", shortcut, 0x1p-12f) == "");
    BOOST_TEST(refusal_of_scales("onnxruntime", output, 0x1p30f) == "");
}

namespace {

// Counts the codes of pool1 and pool2 that differ between simulation and integers.
int64_t pooled_codes_different(const QuantizedModel& model, const Program& program) {
    std::map<std::string, std::vector<int32_t>> simulated;
    const Tensor images = small_images(12, 79);
    execute(model.inference, images, RunMode{}, [&](const Node& node, const Variable& value) {
        if (node.op != "requantize_average") return;
        simulated[node.name] = integers(value.exact()->terms.at(0).codes);
    });
    int64_t different = 0;
    execute(program, images, IntegerKernel::fastest, nullptr,
            {nullptr, [&](const Instruction& i, const std::vector<Tensor>&, const Tensor& y) {
                 if (i.op != "average_pool2d") return;
                 const auto codes = integers(y), &expected = simulated.at(i.name + ".requantized");
                 BOOST_TEST(codes.size() == expected.size());
                 for (size_t e = 0; e < codes.size(); ++e) different += codes[e] != expected[e];
             }});
    return different;
}

}  // namespace

BOOST_AUTO_TEST_CASE(averages_of_windows_are_the_same_in_integers) {
    for (const Hardware& hardware : hardware_table()) {
        for (const PoolAttrs& attrs : pool_windows) {
            Recipe recipe = recipe_of("minmax", hardware.name, 8);
            if (hardware.always_counts_padding && !attrs.count_include_pad) continue;
            check_integers(recipe, pooled_network(attrs));
            if (!hardware.integer_throughout()) continue;
            const QuantizedModel model = small_quantized(recipe, 4, pooled_network(attrs));
            Program program = lower(model);
            BOOST_TEST(program.float_nodes() == 0);
            BOOST_TEST(pooled_codes_different(model, program) == 0, hardware.name);
            if (attrs.pad_top == 0) continue;
            for (Instruction& i : program.instructions) {
                if (i.op != "average_pool2d") continue;
                i.attributes.set("count_include_pad", int64_t{!attrs.count_include_pad});
            }
            BOOST_TEST(pooled_codes_different(model, program) > 0, hardware.name);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_library_that_counts_padding_refuses_to_leave_it_out) {
    const Recipe recipe = recipe_of("minmax", "qnnpack", 8);
    BOOST_TEST(throws(ErrorKind::usage, {"pool1", "qnnpack counts padding"},
                      [&] { quantize(pooled_network(pool_windows[2]), recipe); }));
    quantize(pooled_network(pool_windows[1]), recipe);
}

BOOST_AUTO_TEST_CASE(windows_without_a_rule_are_refused_by_name) {
    QuantizedModel model =
        small_quantized(recipe_of("minmax", "tflite"), 1, pooled_network(pool_windows[0]));
    Hardware ruleless = *model.hardware;
    ruleless.window = PoolRule::none;
    model.hardware = &ruleless;
    BOOST_TEST(throws(ErrorKind::runtime, {"pool1 (average_pool2d) has no integer rule on tflite"},
                      [&] { lower(model); }));
}

// MQBench 2: 8 bits, by the min-max rule except for LSQ and algorithms that calibrate like it.
BOOST_AUTO_TEST_CASE(ends_have_the_rule_of_their_algorithm) {
    const std::set<std::string> own{"lsq", "lsq+", "minmax", "tqt"};
    for (const Recipe& recipe : deployable()) {
        int ends = 0;
        for (const auto& q : quantize(small_network(), recipe).quantizers) {
            if (q->format.bits != 8) continue;
            ++ends;
            const bool by_range = q->algorithm->name == std::string("minmax") && q->follows_range;
            BOOST_TEST(by_range == !own.count(recipe.algorithm), name_of(recipe) << q->name);
        }
        BOOST_TEST(ends == 4, name_of(recipe));
    }
}

// --calibration applies to the layers between the first and the last.
BOOST_AUTO_TEST_CASE(ends_that_follow_their_range_start_from_it) {
    Recipe recipe = recipe_of("pact", "academic");
    recipe.activation_calibration = Calibration::mse;
    for (const auto& q : quantize(small_network(), recipe).quantizers) {
        const bool asked = q->role == Role::activation && !q->follows_range;
        BOOST_TEST((q->calibration == (asked ? Calibration::mse : Calibration::own)), q->name);
    }
}

BOOST_AUTO_TEST_CASE(everything_that_learns_gets_a_gradient) {
    for (Recipe recipe : deployable()) {
        for (const Simulate simulate : {Simulate::exact, Simulate::qdq}) {
            recipe.simulate = simulate;
            const QuantizedModel model = small_quantized(recipe, 1);
            const Execution run = execute(model.training, small_images(8), RunMode{true, true});
            backward(softmax_cross_entropy(run.output, Tensor::zeros({8}, DType::I64), 0.0f));
            for (const auto& q : model.quantizers) {
                for (const auto& p : q->parameters) {
                    const auto leaf = run.leaves.find(p);
                    BOOST_TEST((leaf != run.leaves.end()) == p->trainable, p->name);
                    if (!p->trainable) continue;
                    BOOST_TEST(leaf->second.grad().defined(), name_of(recipe) << ' ' << p->name);
                }
            }
        }
    }
}

// Images one by one and all at once give the same, and evaluation learns nothing. The first forward
// pass updates the ranges of weights after the last step.
BOOST_AUTO_TEST_CASE(an_evaluation_does_not_depend_on_its_batches) {
    const Tensor images = small_images(6, 31);
    for (const Recipe& recipe : deployable()) {
        const QuantizedModel model = small_quantized(recipe);
        const auto all_at_once = codes_of(model, images);
        const auto before = parameters_of(model);
        std::map<std::string, std::vector<int32_t>> singly;
        for (int64_t n = 0; n < 6; ++n) {
            for (const auto& [name, codes] : codes_of(model, image(images, n))) {
                singly[name].insert(singly[name].end(), codes.begin(), codes.end());
            }
        }
        BOOST_TEST((singly == all_at_once), name_of(recipe));
        BOOST_TEST(static_cast<int64_t>(singly.size()) == model.activation_quantizers());
        const auto after = parameters_of(model);
        for (size_t i = 0; i < after.size(); ++i) {
            BOOST_TEST(same_bits(before[i], after[i]),
                       name_of(recipe) << ' ' << model.training.parameters()[i]->name);
        }
    }
}

// A quantizer's statistics do not depend on how the stream is cut. DSQ's averages move with each
// array by definition (tests/dsq_test.cc).
BOOST_AUTO_TEST_CASE(calibration_in_pieces_is_calibration_at_once) {
    const Tensor x = random_tensor({8, 5, 7}, 3, -0.7f, 1.3f);
    for (const Algorithm& row : algorithms()) {
        if (row.name == std::string("dsq")) continue;
        for (const bool free : {false, true}) {
            const QuantizerKind kind{row.name, Role::activation, format_of(4, !free, !free), free};
            Quantizer whole, cut;
            try {
                whole = make_quantizer(kind);
                cut = make_quantizer(kind);
            } catch (const Error&) {
                continue;  // tests/quantizer_promises_test.cc
            }
            observe(whole, x);
            for (int64_t n = 0; n < 8; n += 2) {
                const float* begin = x.data<float>() + n * 35;
                observe(cut, Tensor::from(std::vector<float>(begin, begin + 70), {2, 5, 7}));
            }
            for (size_t i = 0; i < whole.parameters.size(); ++i) {
                const Parameter &a = *whole.parameters[i], &b = *cut.parameters[i];
                BOOST_TEST(close(b.value, a.value, 1e-6), row.name << ' ' << a.name);
            }
        }
    }
}

// In the network: the first quantizer sees the images themselves, and constants do not change.
BOOST_AUTO_TEST_CASE(calibration_of_a_network_in_pieces) {
    const Tensor images = small_images(12);
    for (const Recipe& recipe : deployable()) {
        QuantizedModel whole = quantize(small_network(), recipe);
        QuantizedModel cut = quantize(small_network(), recipe);
        calibrate(whole, images);
        int64_t next = 0;
        calibrate(cut, [&] { return next < 12 ? image(images, next++) : Tensor(); });
        for (size_t i = 0; i < whole.quantizers.size(); ++i) {
            const Quantizer &a = *whole.quantizers[i], &b = *cut.quantizers[i];
            const bool sees_the_same = a.role == Role::weight || a.name == "input.quantizer" ||
                                       a.name == "conv1.input.quantizer";
            BOOST_TEST(a.format.is_signed == b.format.is_signed, a.name);
            if (!sees_the_same || recipe.algorithm == "dsq") continue;
            for (size_t k = 0; k < a.parameters.size(); ++k) {
                BOOST_TEST(close(b.parameters[k]->value, a.parameters[k]->value, 1e-6),
                           name_of(recipe) << ' ' << a.parameters[k]->name);
            }
        }
    }
}

// ---- the statistics of batch norm

namespace {

struct Moments {
    std::vector<double> mean, variance;  // unbiased
};

// Moments of each channel (the last axis) of a float array.
Moments moments_of(const Tensor& x) {
    const int64_t channels = x.shape()[x.shape().rank() - 1], n = x.numel() / channels;
    Moments m{std::vector<double>(channels), std::vector<double>(channels)};
    for (int64_t i = 0; i < x.numel(); ++i) m.mean[i % channels] += x.data<float>()[i] / double(n);
    for (int64_t i = 0; i < x.numel(); ++i) {
        const double d = x.data<float>()[i] - m.mean[i % channels];
        m.variance[i % channels] += d * d / static_cast<double>(n - 1);
    }
    return m;
}

// The moments of every batch norm's input in a training forward. Ranges are held.
std::map<std::string, Moments> batch_moments(const QuantizedModel& model, const Tensor& images) {
    std::map<std::string, Moments> found;
    const Graph& g = model.training;
    for (const auto& q : model.quantizers) q->holding = true;
    execute(g, images, RunMode{true}, [&](const Node& node, const Variable& value) {
        for (const int consumer : g.consumers(g.find(node.name))) {
            if (g.node(consumer).op == "batch_norm" &&
                g.node(consumer).inputs[0] == g.find(node.name)) {
                found[g.node(consumer).name] = moments_of(value.data());
            }
        }
    });
    for (const auto& q : model.quantizers) q->holding = false;
    return found;
}

std::vector<Tensor> quantizer_parameters(const QuantizedModel& model) {
    std::vector<Tensor> values;
    for (const auto& q : model.quantizers) {
        for (const auto& p : q->parameters) values.push_back(p->value.clone());
    }
    return values;
}

// |running - average of the batches| over all batch norms, relative where it is above 1.
double distance(const QuantizedModel& model, const std::vector<std::map<std::string, Moments>>& all,
                const char* statistic, std::vector<double> Moments::*member) {
    double worst = 0.0;
    for (const auto& [name, moments] : all[0]) {
        const int id = model.training.find(name + statistic);
        BOOST_REQUIRE(id >= 0);
        const Tensor running = model.training.node(id).parameter->value;
        for (int64_t c = 0; c < running.numel(); ++c) {
            double average = 0.0;
            for (const auto& batch : all) {
                average += (batch.at(name).*member)[c] / static_cast<double>(all.size());
            }
            const double error = std::fabs(running.data<float>()[c] - average);
            worst = std::max(worst, error / std::max(1.0, std::fabs(average)));
        }
    }
    return worst;
}

}  // namespace

// MQBench, App. C.3. Without folding no input of a batch norm depends on running statistics.
BOOST_AUTO_TEST_CASE(re_estimated_statistics_are_the_averages_over_the_batches) {
    for (const char* algorithm : {"lsq", "dorefa", "pact", "dsq"}) {
        QuantizedModel model = small_quantized(recipe_of(algorithm, "academic"), 2);
        const auto before = model.training.node(model.training.find("bn1")).attributes;
        std::vector<std::map<std::string, Moments>> batches;
        for (int k = 0; k < 5; ++k) {
            batches.push_back(batch_moments(model, small_images(8, 60 + k)));
        }
        const auto kept = quantizer_parameters(model);
        int next = 0;
        reestimate_batch_norm(model,
                              [&] { return next < 5 ? small_images(8, 60 + next++) : Tensor(); });
        BOOST_TEST(batches[0].size() == 6u);
        BOOST_TEST(distance(model, batches, ".running_mean", &Moments::mean) < 1e-6, algorithm);
        BOOST_TEST(distance(model, batches, ".running_var", &Moments::variance) < 2e-6, algorithm);
        const auto still = quantizer_parameters(model);
        for (size_t i = 0; i < kept.size(); ++i)
            BOOST_TEST(same_bits(still[i], kept[i]), algorithm);
        // Training resumes with its old momentum.
        BOOST_TEST(model.training.node(model.training.find("bn1")).attributes.real("momentum") ==
                   before.real("momentum"));
    }
}

BOOST_AUTO_TEST_SUITE_END()
