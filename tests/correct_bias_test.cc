#include "quant/ptq/correct_bias.h"

#include <boost/test/unit_test.hpp>
#include <map>

#include "integer/compare.h"
#include "integer/lower.h"
#include "quant/ptq/subgraph.h"
#include "quant/ptq/units.h"
#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

struct Calibrated {
    Graph network;  // float, with separate parameters
    QuantizedModel model;
};

Calibrated calibrated(const std::string& hardware, Simulate simulate,
                      std::optional<int> folding = std::nullopt) {
    const Graph network = small_network();
    train_a_little(network, 4);
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.simulate = simulate;
    recipe.bn_fold = folding;
    recipe.weight_bits = recipe.activation_bits = 3;
    QuantizedModel model = quantize(network, recipe);
    calibrate(model, small_images(32));
    return {detached_copy(network), model};
}

// Half a step of the grid of a layer's bias, per channel; undefined if it is not rounded.
Tensor half_steps(const Graph& inference, int layer) {
    Tensor half;
    const Node& node = inference.node(layer);
    if (node.inputs.size() < 3) return half;
    execute_constants(inference, [&](const Node& n, const Variable& value) {
        if (n.name != inference.node(node.inputs[2]).name || !value.exact()) return;
        half = value.exact()->terms[0].scale.clone();
        for (int64_t c = 0; c < half.numel(); ++c) half.data<float>()[c] *= 0.5f;
    });
    return half;
}

// The largest difference of a channel's mean over all layers, less the tolerance of the bias's
// grid.
double mean_difference(const Calibrated& c, const Tensor& images) {
    double worst = 0;
    for (const char* name : {"bn1", "block1.bn1", "block1.bn2", "block2.bn1", "block2.bn2",
                             "block2.downsample.1", "fc"}) {
        const int id = c.network.find(name);
        const int other = counterpart(c.model.inference, c.network, id);
        const Tensor exact = values_at(c.network, {id}, images)[0];
        const Tensor rounded = values_at(c.model.inference, {other}, images)[0];
        const Tensor half = half_steps(c.model.inference, other);
        const int64_t channels = exact.shape()[-1], rows = exact.numel() / channels;
        for (int64_t k = 0; k < channels; ++k) {
            double error = 0;
            for (int64_t row = 0; row < rows; ++row) {
                const int64_t i = row * channels + k;
                error += double{exact.data<float>()[i]} - rounded.data<float>()[i];
            }
            const double allowed = half.defined() ? double{half.data<float>()[k]} : 0.0;
            worst = std::max(worst, std::fabs(error / rows) - allowed);
        }
    }
    return worst;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(correct_bias_of_layers, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(means_come_together) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        for (const Simulate simulate : {Simulate::exact, Simulate::qdq}) {
            Calibrated c = calibrated(hardware, simulate);
            const Tensor images = small_images(100, 21);
            const double before = mean_difference(c, images);
            const auto corrected = correct_bias(c.model, c.network, images);
            const double after = mean_difference(c, images);
            BOOST_TEST_CONTEXT(hardware << " before " << before << " after " << after) {
                BOOST_TEST(before > 0.1);
                BOOST_TEST(after < 1e-4);
                BOOST_TEST(corrected.size() == 7u);
                BOOST_TEST(corrected.back().layer == "fc");
                for (const CorrectedLayer& layer : corrected) BOOST_TEST(layer.largest > 0.0);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(merged_biases_are_corrected_too) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        Calibrated c = calibrated(hardware, Simulate::exact, 0);
        const Tensor images = small_images(100, 21);
        BOOST_TEST(mean_difference(c, images) > 0.1);
        BOOST_TEST(correct_bias(c.model, c.network, images).size() == 7u);
        BOOST_TEST(mean_difference(c, images) < 1e-4);
    }
}

BOOST_AUTO_TEST_CASE(nothing_but_biases_changes) {
    Calibrated c = calibrated("onnxruntime", Simulate::exact);
    std::map<std::string, Tensor> before;
    for (const auto& p : c.model.training.parameters()) before[p->name] = p->value.clone();
    correct_bias(c.model, c.network, small_images(100, 21));
    for (const auto& p : c.model.training.parameters()) {
        BOOST_TEST(same_bits(p->value, before.at(p->name)) != p->name.ends_with(".bias"), p->name);
    }
}

BOOST_AUTO_TEST_CASE(integers_agree_with_the_simulation_after_it) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        Calibrated c = calibrated(hardware, Simulate::exact);
        correct_bias(c.model, c.network, small_images(100, 21));
        const Program program = lower(c.model);
        BOOST_TEST(compare_constants(c.model, program).empty());
        Comparison comparison(c.model, program);
        comparison.add(small_images(64, 77), IntegerKernel::fastest);
        BOOST_TEST(comparison.codes_different() == 0);
        BOOST_TEST(comparison.logits_different() == 0);
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        Calibrated c = calibrated("onnxruntime", Simulate::exact);
        correct_bias(c.model, c.network, small_images(100, 21));
        std::vector<Tensor> values;
        for (const auto& p : c.model.inference.parameters()) values.push_back(p->value);
        return values;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
