#include "quant/ptq/reconstruct.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>

#include "integer/compare.h"
#include "integer/lower.h"
#include "quant/ptq/soft_round.h"
#include "quant/ptq/subgraph.h"
#include "quant/ptq/unit_graph.h"
#include "quant/ptq/unit_reconstruction.h"
#include "quant/ptq/units.h"
#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

const char* const kHardware[] = {"onnxruntime", "academic"};

struct Calibrated {
    Graph network;  // float, with separate parameters
    QuantizedModel model;
};

Calibrated calibrated(const std::string& hardware, int bits = 3,
                      Simulate simulate = Simulate::exact,
                      std::optional<int> folding = std::nullopt) {
    const Graph network = small_network();
    train_a_little(network, 4);
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.simulate = simulate;
    recipe.bn_fold = folding;
    recipe.weight_bits = recipe.activation_bits = bits;
    QuantizedModel model = quantize(network, recipe);
    calibrate(model, small_images(32));
    return {detached_copy(network), model};
}

ReconstructionOptions few_steps(Reconstruction method, int64_t steps = 60) {
    ReconstructionOptions options;
    options.method = method;
    options.steps = steps;
    options.batch = 16;
    return options;
}

// The codes of every weight in the simulation.
std::map<std::string, std::vector<int8_t>> weight_codes(const QuantizedModel& model) {
    std::map<std::string, std::vector<int8_t>> codes;
    execute_constants(model.inference, [&](const Node& node, const Variable& value) {
        const auto q = std::dynamic_pointer_cast<Quantizer>(node.payload);
        if (node.op != "quantize" || q->role != Role::weight) return;
        codes[q->name] = value.exact()->terms[0].codes.to_vector<int8_t>();
    });
    return codes;
}

// Mean squared error of the logits.
double output_error(const Calibrated& c, const Tensor& images) {
    const Tensor exact = execute(c.network, images, RunMode{}).output.data();
    const Variable rounded = execute(c.model.inference, images, RunMode{}).output;
    return reconstruction_loss(Variable(rounded.data()), exact).data().data<float>()[0];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reconstruction, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(the_plan_of_the_steps_is_that_of_the_benchmark) {
    BOOST_TEST(!penalised(199, 1000));
    BOOST_TEST(penalised(200, 1000));
    BOOST_TEST(beta_at(200, 1000) == 20.0f);
    BOOST_TEST(beta_at(600, 1000) == 11.0f);
    BOOST_TEST(beta_at(1000, 1000) == 2.0f);
    BOOST_TEST(rounding_rate(20000) == 1e-3);
    BOOST_TEST(rounding_rate(1000) == 2e-2);
    BOOST_TEST(rounding_rate(10) == 1e-1);
    BOOST_TEST(rounding_rate(100000) == 1e-3);
}

// The units of the quantized network, chained, equal the network.
BOOST_AUTO_TEST_CASE(units_make_up_the_network) {
    for (const char* hardware : kHardware) {
        const Calibrated c = calibrated(hardware, 4, Simulate::qdq);
        const Tensor images = small_images(8, 5);
        Tensor x = images;
        for (const Unit& unit : block_units(c.network)) {
            const std::vector<int64_t> extents = x.shape().extents();
            const UnitGraph part =
                unit_graph(c.model.inference, counterpart(c.model.inference, c.network, unit.entry),
                           counterpart(c.model.inference, c.network, unit.exit),
                           Shape(std::vector<int64_t>(extents.begin() + 1, extents.end())),
                           Weights::nearest, {}, 1.0f);
            x = execute(part.graph, x, RunMode{}).output.data();
        }
        BOOST_TEST(same_bits(x, execute(c.model.inference, images, RunMode{}).output.data()));
    }
}

// Only roundings and scales of activations learn, and scales without LSQ's factor.
BOOST_AUTO_TEST_CASE(what_learns_in_a_unit) {
    for (const char* hardware : kHardware) {
        const Calibrated c = calibrated(hardware);
        const Unit unit = block_units(c.network).at(2);
        const int entry = counterpart(c.model.inference, c.network, unit.entry);
        const int exit = counterpart(c.model.inference, c.network, unit.exit);
        const std::string held = hardware == std::string("academic")
                                     ? "block2.conv1.input.quantizer"
                                     : "block1.relu2.quantizer";
        const UnitGraph part =
            unit_graph(c.model.inference, entry, exit, {6, 6, 8}, Weights::learned, {held}, 0.5f);
        BOOST_TEST(part.roundings.size() == 3u);
        const Execution run =
            execute(part.graph, random_tensor({2, 6, 6, 8}, 3), RunMode{false, true});
        backward_from(run.output, random_tensor(run.output.shape(), 4));
        for (const auto& [parameter, leaf] : run.leaves) {
            BOOST_TEST(
                (parameter->name.ends_with(".rounding") || parameter->name.ends_with(".scale")),
                parameter->name);
            BOOST_TEST(parameter->name != held + ".scale");
            BOOST_TEST(leaf.grad().defined(), parameter->name);
        }
        BOOST_TEST(run.leaves.size() == 3 + part.scales.size());
        BOOST_TEST(part.scales.size() == (hardware == std::string("academic") ? 2u : 3u));
        for (const Node& node : part.graph.nodes()) {
            const auto q = std::dynamic_pointer_cast<Quantizer>(node.payload);
            if (node.op != "quantize") continue;
            BOOST_TEST(q->gradient_scale.value_or(0.0f) == 1.0f);
            BOOST_TEST((q->simulate == Simulate::qdq));
        }
    }
}

// ---- the whole -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(reconstruction_lowers_the_loss_of_its_units) {
    for (const char* hardware : kHardware) {
        for (const std::string& method : reconstruction_names()) {
            Calibrated c = calibrated(hardware);
            const Tensor images = small_images(64, 33);
            const double before = output_error(c, images);
            const auto units =
                reconstruct(c.model, c.network, images, few_steps(reconstruction_of(method), 150));
            double first = 0, last = 0;
            BOOST_TEST_CONTEXT(hardware << ' ' << method) {
                for (const ReconstructedUnit& unit : units) {
                    BOOST_TEST(unit.after <= unit.before, unit.name);
                    first += unit.before;
                    last += unit.after;
                }
                BOOST_TEST(units.size() == (method == "adaround" ? 7u : 4u));
                BOOST_TEST(last < 0.75 * first);
                BOOST_TEST(output_error(c, images) < 0.75 * before);
                BOOST_TEST_MESSAGE(hardware << ' ' << method << ": units " << first << " -> "
                                            << last << ", output " << before << " -> "
                                            << output_error(c, images));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(codes_change_by_one_at_most) {
    for (const char* hardware : kHardware) {
        Calibrated c = calibrated(hardware, 4);
        const auto before = weight_codes(c.model);
        const auto units =
            reconstruct(c.model, c.network, small_images(32, 33), few_steps(Reconstruction::brecq));
        int64_t reported = 0, changed = 0, weights = 0;
        for (const ReconstructedUnit& unit : units) {
            reported += unit.changed;
            weights += unit.weights;
        }
        for (const auto& [name, codes] : weight_codes(c.model)) {
            for (size_t i = 0; i < codes.size(); ++i) {
                const int step = std::abs(codes[i] - before.at(name)[i]);
                BOOST_REQUIRE(step <= 1);
                changed += step;
                --weights;
            }
        }
        BOOST_TEST(changed > 0);
        BOOST_TEST(changed == reported);
        BOOST_TEST(weights == 0);
    }
}

// Only weights and scales of activations change; weight scales and everything else do not.
BOOST_AUTO_TEST_CASE(nothing_else_is_touched) {
    Calibrated c = calibrated("onnxruntime");
    std::map<std::string, Tensor> before;
    for (const auto& p : c.model.training.parameters()) before[p->name] = p->value.clone();
    reconstruct(c.model, c.network, small_images(32, 33), few_steps(Reconstruction::brecq, 200));
    std::map<std::string, bool> weights;  // names of parameters that may change
    for (const Unit& unit : layer_units(c.network)) weights[unit.name + ".weight"] = true;
    for (const auto& q : c.model.quantizers) {
        if (q->role == Role::activation) weights[q->name + ".scale"] = true;
        BOOST_TEST(!q->gradient_scale.has_value());
        BOOST_TEST((q->simulate == Simulate::exact));
    }
    for (const auto& p : c.model.training.parameters()) {
        BOOST_TEST(same_bits(p->value, before.at(p->name)) != weights[p->name], p->name);
    }
}

BOOST_AUTO_TEST_CASE(merged_weights_are_reconstructed_too) {
    Calibrated c = calibrated("onnxruntime", 3, Simulate::exact, 0);
    const Tensor images = small_images(64, 33);
    const double before = output_error(c, images);
    const Parameter& merged =
        *c.model.inference.node(c.model.inference.find("conv1.weight.merged")).parameter;
    const Tensor weights = merged.value.clone();
    reconstruct(c.model, c.network, images, few_steps(Reconstruction::brecq, 150));
    BOOST_TEST(output_error(c, images) < 0.75 * before);
    BOOST_TEST(!same_bits(merged.value, weights));
}

BOOST_AUTO_TEST_CASE(integers_agree_with_the_simulation_after_it) {
    for (const char* hardware : kHardware) {
        Calibrated c = calibrated(hardware);
        reconstruct(c.model, c.network, small_images(32, 33), few_steps(Reconstruction::qdrop));
        const Program program = lower(c.model);
        BOOST_TEST(compare_constants(c.model, program).empty());
        Comparison comparison(c.model, program);
        comparison.add(small_images(64, 77), IntegerKernel::fastest);
        BOOST_TEST(comparison.codes_different() == 0);
        BOOST_TEST(comparison.logits_different() == 0);
        train_a_little(c.model.training, 2, 0.01f);  // and training continues
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count_and_another_with_another_seed) {
    const auto run = [](uint64_t seed) {
        Calibrated c = calibrated("onnxruntime");
        ReconstructionOptions options = few_steps(Reconstruction::qdrop, 25);
        options.seed = seed;
        reconstruct(c.model, c.network, small_images(32, 33), options);
        std::vector<Tensor> values;
        for (const auto& p : c.model.inference.parameters()) values.push_back(p->value);
        return values;
    };
    BOOST_TEST(same_with_threads([&] { return run(1); }));
    const auto one = run(1), other = run(2);
    bool same = true;
    for (size_t i = 0; i < one.size(); ++i) same = same && same_bits(one[i], other[i]);
    BOOST_TEST(!same);
}

// With very few steps and a dominant penalty, learning does not help.
BOOST_AUTO_TEST_CASE(a_unit_that_gets_worse_is_put_back) {
    const auto run = [](float strength, int64_t* put_back) {
        Calibrated c = calibrated("academic");
        ReconstructionOptions options = few_steps(Reconstruction::brecq, 40);
        options.strength = strength;
        const Tensor images = small_images(32, 33);
        const auto before = weight_codes(c.model);
        int64_t changed = 0;
        for (const auto& unit : reconstruct(c.model, c.network, images, options)) {
            BOOST_TEST(unit.after <= unit.before, unit.name);
            if (unit.after == unit.before) BOOST_TEST(unit.changed == 0);
            *put_back += unit.after == unit.before;
            changed += unit.changed;
        }
        for (const auto& [name, codes] : weight_codes(c.model)) {
            for (size_t i = 0; i < codes.size(); ++i) changed -= codes[i] != before.at(name)[i];
        }
        BOOST_TEST(changed == 0);
        std::vector<Tensor> values;
        for (const auto& p : c.model.inference.parameters()) values.push_back(p->value);
        return values;
    };
    int64_t put_back = 0, ignored = 0;
    const auto hard = run(1e6f, &put_back), usual = run(0.01f, &ignored);
    BOOST_TEST(put_back > 0);
    bool same = true;
    for (size_t i = 0; i < hard.size(); ++i) same = same && same_bits(hard[i], usual[i]);
    BOOST_TEST(!same);
}

// onnxruntime's block input serves two layers: the first learns its scale, then it stays.
BOOST_AUTO_TEST_CASE(a_shared_scale_is_learned_once) {
    Calibrated c = calibrated("onnxruntime");
    const int id = c.model.inference.find("block1.relu2.quantizer.scale");
    const Tensor scale = c.model.inference.node(id).parameter->value;
    const Tensor calibrated_scale = scale.clone();
    Tensor learned;
    reconstruct(c.model, c.network, small_images(32, 33), few_steps(Reconstruction::adaround, 150),
                {[&](const ReconstructionStep& step) {
                     if (step.unit == "block2.conv2" && step.step == 0) learned = scale.clone();
                 },
                 nullptr});
    BOOST_TEST(!same_bits(learned, calibrated_scale));
    BOOST_TEST(same_bits(scale, learned));
}

BOOST_AUTO_TEST_CASE(it_can_be_watched_and_stopped) {
    Calibrated c = calibrated("academic");
    int64_t seen = 0;
    std::string last;
    const auto watch = [&](const ReconstructionStep& step) {
        BOOST_TEST(step.step == seen % 5);
        BOOST_TEST(step.unit_index == seen / 5);
        BOOST_TEST(step.units == 4);
        BOOST_TEST(step.loss >= 0.0);
        last = step.unit;
        if (++seen == 12) fail(ErrorKind::interrupted, "enough");
    };
    int64_t units = 0;
    const auto finished = [&](const ReconstructedUnit& unit) {
        BOOST_TEST(++units == seen / 5);
        BOOST_TEST(unit.weights > 0);
    };
    BOOST_CHECK_EXCEPTION(reconstruct(c.model, c.network, small_images(16),
                                      few_steps(Reconstruction::brecq, 5), {watch, finished}),
                          Error, [](const Error& e) { return e.kind() == ErrorKind::interrupted; });
    BOOST_TEST(seen == 12);
    BOOST_TEST(units == 2);
    BOOST_TEST(last == "block2.conv1 to block2.downsample.0");
}

BOOST_AUTO_TEST_CASE(a_shared_float_network_is_refused) {
    const Graph network = small_network();
    QuantizedModel model = quantize(network, Recipe{});
    calibrate(model, small_images(16));
    BOOST_CHECK_EXCEPTION(
        reconstruct(model, network, small_images(16), few_steps(Reconstruction::brecq)), Error,
        [](const Error& e) { return std::string(e.what()).find("detached") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(weights_that_are_transformed_or_followed_are_refused) {
    const std::pair<const char*, const char*> cases[] = {{"dorefa", "transformed"},
                                                         {"qil", "transformed"},
                                                         {"apot", "transformed"},
                                                         {"dsq", "follows"},
                                                         {"pact", "transformed"}};
    for (const auto& [algorithm, reason] : cases) {
        Recipe recipe;
        recipe.algorithm = algorithm;
        recipe.hardware = "academic";
        recipe.simulate = Simulate::qdq;
        const QuantizedModel model = quantize(small_network(), recipe);
        const std::string text = reason;
        BOOST_CHECK_EXCEPTION(refuse_reconstruction(model), Error, [&](const Error& e) {
            return e.kind() == ErrorKind::usage &&
                   std::string(e.what()).find(text) != std::string::npos;
        });
    }
    for (const char* algorithm : {"lsq", "lsq+", "minmax", "tqt"}) {
        Recipe recipe;
        recipe.algorithm = algorithm;
        recipe.hardware = "academic";
        refuse_reconstruction(quantize(small_network(), recipe));
    }
}

// Also if the weights' scales are not LSQ's, and no parameter of the activations is learned.
BOOST_AUTO_TEST_CASE(other_algorithms_are_reconstructed_too) {
    const std::pair<const char*, const char*> cases[] = {{"lsq+", "academic"},
                                                         {"lsq+", "onnxruntime"},
                                                         {"minmax", "onnxruntime"},
                                                         {"tqt", "academic"}};
    for (const auto& [algorithm, hardware] : cases) {
        const Graph network = small_network();
        train_a_little(network, 4);
        Recipe recipe;
        recipe.algorithm = algorithm;
        recipe.hardware = hardware;
        recipe.weight_bits = recipe.activation_bits = 3;
        Calibrated c{detached_copy(network), quantize(network, recipe)};
        calibrate(c.model, small_images(32));
        const auto units = reconstruct(c.model, c.network, small_images(32, 33),
                                       few_steps(Reconstruction::brecq, 100));
        double first = 0, last = 0;
        for (const ReconstructedUnit& unit : units) {
            first += unit.before;
            last += unit.after;
        }
        BOOST_TEST(last < 0.8 * first, algorithm << ' ' << first << " -> " << last);
    }
}

BOOST_AUTO_TEST_CASE(an_unknown_method_is_refused_with_the_list) {
    BOOST_CHECK_EXCEPTION(reconstruction_of("adaroun"), Error, [](const Error& e) {
        return e.kind() == ErrorKind::usage &&
               std::string(e.what()).find("adaround brecq qdrop") != std::string::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()
