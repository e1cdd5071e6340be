// layer_measure -- recomputes the numbers of the table in another way.
#include "run/deploy/layer_measure.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>

#include "integer/lower.h"
#include "integer/rule_constants.h"
#include "run/deploy/deploy_report.h"
#include "run/deploy/open_run.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

// The network, the model, and the outputs of both on some images.
struct Measured {
    Graph network = small_network();
    QuantizedModel model;
    Program program;

    explicit Measured(const std::string& hardware, Simulate simulate = Simulate::exact,
                      std::optional<int> bn_fold = {}) {
        train_a_little(network, 4);
        Recipe recipe;
        recipe.hardware = hardware;
        recipe.simulate = simulate;
        recipe.bn_fold = bn_fold;
        model = quantize(network, recipe);
        calibrate(model, small_images(32));
        train_a_little(model.training, 3, 0.02f);
        program = lower(model);
    }

    Measurement on(const std::vector<int64_t>& batches) const {
        Measurement measured(model, program, network);
        for (size_t i = 0; i < batches.size(); ++i) {
            measured.add(small_images(batches[i], 70 + i), IntegerKernel::fastest);
        }
        return measured;
    }
};

const LayerMeasure& layer(const Measurement& measured, const std::string& name) {
    for (const LayerMeasure& m : measured.layers()) {
        if (m.layer == name) return m;
    }
    throw std::runtime_error("no layer " + name);
}

// The float view of every activation in simulation, and every value of the float network.
std::map<std::string, std::vector<float>> values_in(const Graph& graph, const Tensor& images) {
    std::map<std::string, std::vector<float>> values;
    execute(graph, images, RunMode{}, [&](const Node& node, const Variable& v) {
        values[node.name] = v.data().to_vector<float>();
    });
    return values;
}

double sqnr(const std::vector<float>& x, const std::vector<float>& y) {
    long double signal = 0, noise = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        signal += static_cast<long double>(x[i]) * x[i];
        noise += (static_cast<long double>(y[i]) - x[i]) * (static_cast<long double>(y[i]) - x[i]);
    }
    return static_cast<double>(10 * std::log10(signal / noise));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_measure, *boost::unit_test::label("network"))

// The simulation's floats equal the dequantized codes, so they give the same ratio.
BOOST_AUTO_TEST_CASE(the_noise_is_that_of_the_simulation_beside_the_float_network) {
    const Measured m("onnxruntime");
    const Measurement measured = m.on({6});
    const auto simulated = values_in(m.model.inference, small_images(6, 70));
    const auto floats = values_in(m.network, small_images(6, 70));
    const std::vector<std::array<std::string, 3>> places{
        {"input.quantizer", "input.quantizer", "input"},
        {"conv1", "relu.quantizer", "relu"},
        {"maxpool", "maxpool", "maxpool"},
        {"block1.conv1", "block1.relu1.quantizer", "block1.relu1"},
        {"block1.conv2", "block1.bn2.quantizer", "block1.bn2"},
        {"block2.downsample.0", "block2.downsample.1.quantizer", "block2.downsample.1"},
        {"block2.add", "block2.relu2.quantizer", "block2.relu2"},
        {"fc", "fc", "fc"}};
    for (const auto& [name, node, place] : places) {
        const LayerMeasure& found = layer(measured, name);
        BOOST_TEST(found.float_node == place);
        BOOST_REQUIRE(found.sqnr().has_value());
        const double expected = sqnr(floats.at(place), simulated.at(node));
        BOOST_TEST(std::fabs(*found.sqnr() - expected) < 1e-6, name << ' ' << expected);
    }
}

BOOST_AUTO_TEST_CASE(where_hardware_quantizes_inputs_the_place_is_what_the_layer_reads) {
    const Measured m("academic");
    const Measurement measured = m.on({4});
    const auto simulated = values_in(m.model.inference, small_images(4, 70));
    const auto floats = values_in(m.network, small_images(4, 70));
    for (const auto& [name, place] : std::vector<std::pair<std::string, std::string>>{
             {"block1.conv2.input.quantizer", "block1.relu1"}, {"block1.add", "block1.add"}}) {
        const LayerMeasure& found = layer(measured, name);
        BOOST_TEST(found.float_node == place);
        const double expected = sqnr(floats.at(place), simulated.at(name));
        BOOST_TEST(std::fabs(*found.sqnr() - expected) < 1e-6, name);
    }
    // If batch norm is folded, a float output is compared after it.
    const Measured folded("acl");
    const Measurement other = folded.on({2});
    for (const LayerMeasure& l : other.layers()) {
        if (l.layer == "block1.conv2") BOOST_TEST(l.float_node == "block1.bn2");
    }
}

// A float output includes its batch norm if the run folds, whatever the hardware's default.
BOOST_AUTO_TEST_CASE(the_place_of_a_convolution_follows_the_folding_of_the_run) {
    for (const char* hardware : {"academic", "acl"}) {
        for (const Folding folding : {Folding::none, Folding::merge, Folding::torch}) {
            const Measured m(hardware, Simulate::exact, static_cast<int>(folding));
            const Measurement measured = m.on({4});
            const std::string place = folding == Folding::none ? "block1.conv2" : "block1.bn2";
            const LayerMeasure& found = layer(measured, "block1.conv2");
            BOOST_TEST(found.float_node == place, hardware);
            const auto simulated = values_in(m.model.inference, small_images(4, 70));
            const double expected = sqnr(values_in(m.network, small_images(4, 70)).at(place),
                                         simulated.at("block1.conv2"));
            BOOST_TEST(std::fabs(*found.sqnr() - expected) < 1e-6, hardware);
        }
    }
}

// Two batches count as one: sums, counts and extremes over codes gathered by hand.
BOOST_AUTO_TEST_CASE(ranges_and_saturation_are_those_of_the_codes) {
    for (const char* hardware : {"onnxruntime", "tflite", "tensorrt"}) {
        const Measured m(hardware);
        const Measurement measured = m.on({5, 3});
        std::map<std::string, std::vector<int32_t>> sums, codes;
        for (const auto& [count, seed] : {std::pair{5, 70}, {3, 71}}) {
            execute(m.program, small_images(count, seed), IntegerKernel::readable, nullptr,
                    {[&](const Instruction& i, const Tensor& a) {
                         for (const int32_t v : a.to_vector<int32_t>()) sums[i.name].push_back(v);
                     },
                     [&](const Instruction& i, const std::vector<Tensor>&, const Tensor& y) {
                         if (y.dtype() == DType::F32) return;
                         const CodeReader q(y);
                         for (int64_t e = 0; e < y.numel(); ++e) codes[i.name].push_back(q[e]);
                     }});
        }
        for (const Instruction& i : m.program.instructions) {
            const LayerMeasure& found = layer(measured, i.name);
            const auto& a = sums[i.name];
            BOOST_TEST(found.accumulators == static_cast<int64_t>(a.size()), i.name);
            if (!a.empty()) {
                BOOST_TEST(found.least_accumulator == *std::min_element(a.begin(), a.end()));
                BOOST_TEST(found.largest_accumulator == *std::max_element(a.begin(), a.end()));
                int32_t furthest = 0;
                for (const int32_t v : a) furthest = std::max(furthest, std::abs(v));
                BOOST_TEST(furthest < (int64_t{1} << found.accumulator_bits()));
                BOOST_TEST(furthest >= (int64_t{1} << found.accumulator_bits()) / 2);
            }
            const auto& q = codes[i.name];
            BOOST_TEST(found.codes == static_cast<int64_t>(q.size()), i.name);
            if (!i.attributes.has("lo")) continue;
            BOOST_TEST(found.at_low == std::count(q.begin(), q.end(), i.attributes.integer("lo")));
            BOOST_TEST(found.at_high == std::count(q.begin(), q.end(), i.attributes.integer("hi")));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_constants_are_shown_as_the_rule_has_them) {
    struct Case {
        const char *hardware, *rule, *add;
        size_t operands, shifts;
        bool shifts_accumulators;
    };
    for (const Case& c :
         {Case{"onnxruntime", "R1", "onnxruntime", 2, 0, false},
          Case{"tflite", "R2", "tflite", 3, 3, true}, Case{"xnnpack", "R1", "xnnpack", 2, 1, false},
          Case{"fbgemm", "R1f", "torch", 3, 0, false}, Case{"tvm", "R5", "tvm", 0, 3, true},
          Case{"hexagon-nn", "R8", "hexagon", 2, 1, false}}) {
        const Measured m(c.hardware);
        const Measurement measured = m.on({1});
        for (const Instruction& i : m.program.instructions) {
            const RuleReport& shown = layer(measured, i.name).rule;
            if (i.op == "add") {
                BOOST_TEST(shown.rule == c.add);
                BOOST_TEST(shown.multiplier.size() == c.operands, c.hardware);
                BOOST_TEST(shown.shift.size() == c.shifts, c.hardware);
            }
            if (i.op != "conv2d") continue;
            BOOST_TEST(shown.rule == c.rule);
            BOOST_TEST(shown.shift.empty() == !c.shifts_accumulators, c.hardware);
            const auto k = load_constants(i, i.constants.at("weight").shape()[0]);
            for (const RequantizeConstants& one : k) {
                const double value = one.multiplier != 0 ? one.multiplier : double(one.integer);
                if (shown.multiplier.empty()) {
                    BOOST_TEST(value == 0);
                } else {
                    BOOST_TEST(value >= shown.multiplier.front());
                    BOOST_TEST(value <= shown.multiplier.back());
                }
                if (!shown.shift.empty()) BOOST_TEST(one.shift >= shown.shift.front());
                if (!shown.shift.empty()) BOOST_TEST(one.shift <= shown.shift.back());
            }
        }
        // 3 x 3 pixels are averaged.
        const RuleReport& average = layer(measured, "avgpool").rule;
        if (average.rule == std::string("real")) {
            BOOST_TEST(std::fabs(average.multiplier.at(0) - 1.0 / 9) < 1e-7, c.hardware);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_table_has_a_line_for_each_instruction) {
    const Measured m("onnxruntime", Simulate::qdq);
    const Measurement measured = m.on({4});
    std::ostringstream out;
    print_measures(out, measured, false);
    const std::string text = out.str();
    const auto lines = std::count(text.begin(), text.end(), '\n');
    BOOST_TEST(lines == static_cast<long>(m.program.instructions.size()) + 4);
    int64_t different = 0;
    for (const LayerMeasure& l : measured.layers()) {
        const auto compared = measured.compared(l);
        BOOST_TEST(compared.has_value() == !l.quantizer.empty(), l.layer);
        if (compared) different += compared->difference.different;
    }
    BOOST_TEST(different == measured.comparison().codes_different());
    BOOST_TEST(float_range_note(measured) == "");  // small sums
}

// Grows a bias until the layer's bound exceeds 2^24.
BOOST_AUTO_TEST_CASE(what_a_float_may_round_is_noted_with_its_layer) {
    Measured m("onnxruntime");
    const int beta = m.model.inference.find("block1.bn1.bias");
    BOOST_REQUIRE(beta >= 0);
    float& bias = m.model.inference.node(beta).parameter->value.data<float>()[3];
    const auto bound = [&] {
        m.program = lower(m.model);
        for (const AccumulatorBound& b : accumulator_bounds(m.program)) {
            if (b.layer == "block1.conv1") return b.bound;
        }
        return int64_t{0};
    };
    for (bias = 100; bound() <= kExactInFloat;) bias *= 2;
    const std::string note = float_range_note(m.on({1}));
    BOOST_TEST(note.find("in 1 layer;") != std::string::npos, note);
    BOOST_TEST(note.find("in channel 3 of block1.conv1") != std::string::npos, note);
}

BOOST_AUTO_TEST_CASE(rows_agree_or_say_in_what_they_do_not) {
    const auto between = [](const char* a, const char* b) {
        return row_difference(Options(), find_hardware(a), find_hardware(b));
    };
    for (const Hardware& row : hardware_table()) BOOST_TEST(between(row.name, row.name) == "");
    BOOST_TEST(between("tflite", "tflite-single") == "");
    BOOST_TEST(between("tflite", "xnnpack") == "");
    BOOST_TEST(between("qnnpack", "onednn") == "");
    BOOST_TEST(between("snpe", "hexagon-nn") == "");
    const auto starts = [&](const char* a, const char* b, const std::string& start) {
        return between(a, b).rfind(start, 0) == 0;
    };
    BOOST_TEST(starts("onnxruntime", "qnnpack", "weights s8 symmetric per channel [-127, 127]"));
    BOOST_TEST(starts("onnxruntime", "tflite", "activations u8 asymmetric"));
    Hardware other = find_hardware("tflite");
    other.block_graph = 2;
    BOOST_TEST(row_difference(Options(), find_hardware("tflite"), other) ==
               "block graph 3 instead of 2");
    other = find_hardware("tflite");
    other.bn_fold = -1;
    BOOST_TEST(row_difference(Options(), find_hardware("tflite"), other) ==
               "batch-norm folding 4 instead of -1");
    Options run;
    run.bn_fold = "torch";  // the run's, whatever the row's default
    BOOST_TEST(row_difference(run, find_hardware("tflite"), other) == "");
    other = find_hardware("tflite");
    other.adaptive_sign = true;
    BOOST_TEST(row_difference(Options(), find_hardware("tflite"), other) ==
               "signs fixed instead of by calibration");
}

BOOST_AUTO_TEST_SUITE_END()
