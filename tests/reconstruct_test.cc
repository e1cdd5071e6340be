#include "quant/ptq/reconstruct.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <optional>

#include "integer/compare.h"
#include "integer/lower.h"
#include "models/models.h"
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
    Graph network;  // float, with parameters of its own
    QuantizedModel model;
};

Calibrated calibrated(const std::string& hardware, int bits = 3,
                      Simulate simulate = Simulate::exact) {
    const Graph network = small_network();
    train_a_little(network, 4);
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.simulate = simulate;
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

// The codes of every weight as the simulation uses them.
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

Quantizer weight_quantizer(int bits, int axis) {
    Quantizer q;
    q.name = "w";
    q.format.bits = bits;
    q.format.channel_axis = axis;
    return q;
}

Grid grid(const std::vector<float>& scales) {
    const auto channels = static_cast<int64_t>(scales.size());
    return {Tensor::from(scales, {channels}), Tensor::zeros({channels}, DType::I32), {}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reconstruction)

// ---- the formulas ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(first_values_are_those_of_the_benchmark) {  // MQBench 2.8
    BOOST_TEST(std::fabs(first_rounding(0.0) - -2.397895) < 1e-6);
    BOOST_TEST(std::fabs(first_rounding(0.3) - -0.693147) < 1e-6);
    BOOST_TEST(std::fabs(first_rounding(0.5)) < 1e-12);
    BOOST_TEST(std::fabs(first_rounding(0.9) - 1.609438) < 1e-6);
    for (double frac : {0.0, 0.1, 0.5, 0.77, 0.999}) {
        BOOST_TEST(std::fabs(rectified_sigmoid(first_rounding(frac)).value - frac) < 1e-12);
    }
}

BOOST_AUTO_TEST_CASE(the_sigmoid_is_clipped_on_both_sides) {
    const double edge = std::log(11.0);  // sigmoid = 11/12: 1.2 * 11/12 - 0.1 = 1
    BOOST_TEST(rectified_sigmoid(edge + 1e-6).value == 1.0);
    BOOST_TEST(rectified_sigmoid(edge - 1e-6).value < 1.0);
    BOOST_TEST(rectified_sigmoid(-edge - 1e-6).value == 0.0);
    BOOST_TEST(rectified_sigmoid(-edge + 1e-6).value > 0.0);
    BOOST_TEST(rectified_sigmoid(40.0).slope == 0.0);
    BOOST_TEST(rectified_sigmoid(-40.0).slope == 0.0);
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    // Clipped below and above, inside, saturated; s = 0.3, z = 1, codes -4 to 3.
    const std::vector<double> w = {-3.1, 2.9, 0.4, -0.4, 0.07, -1.01, 0.2, 0.81, 0.5};
    const Arrays v = {{0.3, -0.2, 1.1, -1.7, 0.01, 0.6, 3.5, -3.5, 0.9}};
    const auto check_one = [&](const auto& piece) {
        const GradcheckResult result = gradcheck(
            [&](const Arrays& in) {
                std::vector<double> y;
                for (size_t i = 0; i < w.size(); ++i) y.push_back(piece(i, in[0][i]).value);
                return y;
            },
            [&](const Arrays& in, const std::vector<double>& dy) {
                Arrays d(1);
                for (size_t i = 0; i < w.size(); ++i) {
                    d[0].push_back(dy[i] * piece(i, in[0][i]).slope);
                }
                return d;
            },
            v);
        BOOST_TEST(result.worst < 1e-6, result.where);
    };
    check_one([&](size_t i, double x) { return soft_round_value(w[i], 0.3, x, 1.0, -4.0, 3.0); });
    for (double beta : {20.0, 7.5, 2.0}) {
        check_one([&](size_t, double x) { return rounding_penalty_value(x, beta); });
    }
    BOOST_TEST(soft_round_value(w[0], 0.3, 0.3, 1.0, -4.0, 3.0).slope == 0.0);
    BOOST_TEST(soft_round_value(w[1], 0.3, -0.2, 1.0, -4.0, 3.0).slope == 0.0);
}

BOOST_AUTO_TEST_CASE(the_penalty_is_least_at_whole_codes) {
    BOOST_TEST(rounding_penalty_value(0.0, 2.0).value == 1.0);
    BOOST_TEST(rounding_penalty_value(3.0, 2.0).value == 0.0);
    BOOST_TEST(std::fabs(rounding_penalty_value(first_rounding(0.75), 2.0).value - 0.75) < 1e-12);
}

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

// ---- the operators ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(soft_weights_begin_where_the_weights_are) {
    for (int axis : {-1, 0}) {
        const Quantizer q = weight_quantizer(8, axis);
        const Grid on = axis < 0 ? grid({0.02f}) : grid({0.02f, 0.05f, 0.011f});
        const Tensor w = random_tensor({3, 3, 3, 5}, 4);
        const Variable v(first_roundings(q, on, w));
        BOOST_TEST(close(soft_round(q, on, Variable(w), v).data(), w, 1e-6));
        // Where v >= 0 begins, the code above is the nearest.
        const Affine learned = learned_codes(q, on, w, v.data());
        const Affine nearest = quantize_to_grid(w, on, q.format);
        const CodeReader codes(nearest.codes);
        for (int64_t i = 0; i < w.numel(); ++i) {
            BOOST_TEST(learned.codes.data<int32_t>()[i] == codes[i]);
        }
    }
}

BOOST_AUTO_TEST_CASE(soft_round_equals_its_formula_forward_and_backward) {
    const Quantizer q = weight_quantizer(3, 0);
    const std::vector<float> scales = {0.2f, 0.35f};
    const Grid on = grid(scales);
    const Variable w(random_tensor({2, 1, 1, 40}, 4, -1.5f, 1.5f), true);
    const Variable v(random_tensor({2, 1, 1, 40}, 5, -3, 3), true);
    const Variable y = soft_round(q, on, w, v);
    const Tensor dy = random_tensor({2, 1, 1, 40}, 6);
    backward_from(y, dy);
    BOOST_TEST(!w.grad().defined());
    for (int i = 0; i < 80; ++i) {
        const auto want = soft_round_value<double>(w.data().data<float>()[i], scales[i / 40],
                                                   v.data().data<float>()[i], 0, -4, 3);
        BOOST_TEST(std::fabs(y.data().data<float>()[i] - want.value) < 1e-5);
        const double dv = dy.data<float>()[i] * want.slope;
        BOOST_TEST(std::fabs(v.grad().data<float>()[i] - dv) < 1e-5);
    }
}

BOOST_AUTO_TEST_CASE(the_penalty_of_an_array_is_the_sum_of_its_formula) {
    const Variable v(random_tensor({40000}, 5, -3, 3), true);
    const Variable penalty = rounding_penalty(v, 0.01f, 3.0f);
    backward(penalty);
    double sum = 0;
    for (int64_t i = 0; i < 40000; ++i) {
        const auto want = rounding_penalty_value<double>(v.data().data<float>()[i], 3.0);
        sum += want.value;
        BOOST_REQUIRE(std::fabs(v.grad().data<float>()[i] - 0.01 * want.slope) < 1e-6);
    }
    BOOST_TEST(std::fabs(penalty.data().data<float>()[0] - 0.01 * sum) < 1e-4 * sum);
}

BOOST_AUTO_TEST_CASE(each_activation_is_rounded_or_not) {
    const Variable x(random_tensor({4, 5000}, 1), true), x_hat(random_tensor({4, 5000}, 2), true);
    const Variable y = drop_rounding(x, x_hat, 0.25f, Rng(3));
    const Tensor dy = random_tensor({4, 5000}, 4);
    backward_from(y, dy);
    int64_t rounded = 0;
    for (int64_t i = 0; i < y.data().numel(); ++i) {
        const bool kept = y.data().data<float>()[i] == x_hat.data().data<float>()[i];
        rounded += kept;
        const float d = dy.data<float>()[i];
        BOOST_REQUIRE((kept || y.data().data<float>()[i] == x.data().data<float>()[i]));
        BOOST_REQUIRE(x_hat.grad().data<float>()[i] == (kept ? d : 0.0f));
        BOOST_REQUIRE(x.grad().data<float>()[i] == (kept ? 0.0f : d));
    }
    BOOST_TEST(std::abs(rounded - 5000) < 300);
    BOOST_TEST(same_bits(drop_rounding(x, x_hat, 1.0f, Rng(3)).data(), x_hat.data()));
}

BOOST_AUTO_TEST_CASE(the_loss_sums_channels_and_averages_the_rest) {
    const Variable y(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {1, 3, 1, 2}), true);
    const Tensor target = Tensor::from<float>({1, 0, 3, 3, 5, 7}, {1, 3, 1, 2});
    const Variable loss = reconstruction_loss(y, target);
    backward(loss);
    BOOST_TEST(loss.data().data<float>()[0] == 2.0f);  // (4 + 1 + 1) / 3
    const Tensor slope = Tensor::from<float>({0, 4, 0, 2, 0, -2}, {1, 3, 1, 2});
    for (int i = 0; i < 6; ++i) {
        BOOST_TEST(std::fabs(y.grad().data<float>()[i] - slope.data<float>()[i] / 3) < 1e-6);
    }
}

// ---- units -----------------------------------------------------------------------------------

namespace {

std::vector<std::string> names(const std::vector<Unit>& units, const Graph& network) {
    std::vector<std::string> result;
    for (const Unit& unit : units) {
        result.push_back(unit.name + ": " + network.node(unit.entry).name + " -> " +
                         network.node(unit.exit).name);
    }
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_layer_takes_its_batch_norm_and_relu) {
    const Graph network = small_network();
    const std::vector<std::string> want = {
        "conv1: input -> relu",
        "block1.conv1: relu -> block1.relu1",
        "block1.conv2: block1.relu1 -> block1.bn2",
        "block2.conv1: block1.relu2 -> block2.relu1",
        "block2.conv2: block2.relu1 -> block2.bn2",
        "block2.downsample.0: block1.relu2 -> block2.downsample.1",
        "fc: block2.relu2 -> fc"};
    BOOST_TEST(names(layer_units(network), network) == want, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_residual_block_stands_alone) {
    const Graph network = small_network();
    const std::vector<std::string> want = {
        "conv1: input -> relu", "block1.conv1 to block1.conv2: relu -> block1.relu2",
        "block2.conv1 to block2.downsample.0: block1.relu2 -> block2.relu2",
        "fc: block2.relu2 -> fc"};
    BOOST_TEST(names(block_units(network), network) == want, boost::test_tools::per_element());
    const Graph resnet =
        find_model("resnet18").build({{32, 32, 3}, 10, "small"}, Rng(1).split("init"));
    BOOST_TEST(block_units(resnet).size() == 10u);
    BOOST_TEST(layer_units(resnet).size() == 21u);
}

BOOST_AUTO_TEST_CASE(at_most_three_layers_are_stacked) {
    GraphBuilder g({4, 4, 2}, Rng(1));
    int x = g.input();
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        x = g.relu(std::string(name) + ".relu", g.conv2d(name, x, 2, 2, 1, square_conv(1, 0)));
        if (std::string(name) == "b") x = g.max_pool2d("pool", x, square_pool(2, 2, 0));
    }
    const Graph network = g.finish(x);
    const std::vector<std::string> want = {"a to c: input -> c.relu", "d to e: c.relu -> e.relu"};
    BOOST_TEST(names(block_units(network), network) == want, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_sum_ends_its_block_without_a_relu) {
    GraphBuilder g({4, 4, 2}, Rng(1));
    const auto conv = [&](const char* name, int x) {
        return g.conv2d(name, x, 2, 2, 1, square_conv(1, 0));
    };
    int x = conv("a", g.input());
    x = g.add("sum1", conv("b", x), x);
    x = g.add("sum2", conv("d", g.relu("relu", conv("c", x))), x);
    const Graph network = g.finish(conv("e", x));
    const std::vector<std::string> want = {"a: input -> a", "b: a -> sum1", "c to d: sum1 -> sum2",
                                           "e: sum2 -> e"};
    BOOST_TEST(names(block_units(network), network) == want, boost::test_tools::per_element());
}

// Over more images than run at once.
BOOST_AUTO_TEST_CASE(values_are_those_of_one_run) {
    const Graph network = small_network();
    const Tensor images = small_images(150);
    const int id = network.find("block1.relu2");
    const auto values = values_at(network, {id, network.output()}, images);
    Tensor inner;
    const Tensor output =
        execute(network, images, RunMode{}, [&](const Node& node, const Variable& value) {
            if (node.name == "block1.relu2") inner = value.data();
        }).output.data();
    BOOST_TEST(close(values[0], inner, 1e-6));
    BOOST_TEST(close(values[1], output, 1e-6));
}

// A unit of the quantized network, chained one after the other, is the quantized network.
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

// Weight scales and everything else but weights and scales of activations stay.
BOOST_AUTO_TEST_CASE(nothing_else_is_touched) {
    Calibrated c = calibrated("onnxruntime");
    std::map<std::string, Tensor> before;
    for (const auto& p : c.model.training.parameters()) before[p->name] = p->value.clone();
    reconstruct(c.model, c.network, small_images(32, 33), few_steps(Reconstruction::brecq, 200));
    std::map<std::string, bool> weights;  // names of what may change
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
        train_a_little(c.model.training, 2, 0.01f);  // and it trains on
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

// With next to no steps and a penalty that alone decides, learning does not help.
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
        BOOST_CHECK_EXCEPTION(refuse_reconstruction(model), Error, [&](const Error& e) {
            return e.kind() == ErrorKind::usage &&
                   std::string(e.what()).find(reason) != std::string::npos;
        });
    }
    for (const char* algorithm : {"lsq", "lsq+", "minmax", "tqt"}) {
        Recipe recipe;
        recipe.algorithm = algorithm;
        recipe.hardware = "academic";
        refuse_reconstruction(quantize(small_network(), recipe));
    }
}

// Also where the weights' scales are not LSQ's, and nothing of the activations learns.
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
