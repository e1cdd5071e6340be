// Folding of batch norm against the worked example of the specification (MQBench, section 5): one
// 1x1 convolution of two channels, four samples, through the graphs that prepare makes.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

constexpr double tolerance = 1e-6;
constexpr float input_scale = 0.1f, weight_scale = 0.25f;

// All samples are multiples of the input's scale, so that its quantizer keeps them.
Tensor samples() {
    return Tensor::from<float>({1.0f, -0.5f, 0.2f, 0.8f, -1.5f, 0.3f, 0.7f, 1.1f}, {4, 1, 1, 2});
}

Parameter& parameter(const Graph& graph, const std::string& name) {
    return *graph.node(graph.find(name)).parameter;
}

void set(Parameter& parameter, const std::vector<float>& values) {
    std::copy(values.begin(), values.end(), parameter.value.data<float>());
}

Graph example_network() {
    GraphBuilder g({1, 1, 2}, Rng(1));
    const int conv = g.conv2d("conv", g.input(), 2, 1, 1, square_conv(1, 0));
    const Graph network = g.finish(g.batch_norm("bn", conv, 1));
    set(parameter(network, "conv.weight"), {0.62f, -0.37f});
    set(parameter(network, "bn.weight"), {1.3f});
    set(parameter(network, "bn.bias"), {0.2f});
    set(parameter(network, "bn.running_mean"), {0.1f});
    set(parameter(network, "bn.running_var"), {0.9f});
    return network;
}

// Scales are given, not learned: that of the input is exact, that of the weights the table's.
QuantizedModel example(const std::string& hardware, Simulate simulate) {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.simulate = simulate;
    recipe.weight_bits = recipe.activation_bits = 4;
    QuantizedModel model = quantize(example_network(), recipe);
    for (const auto& q : model.quantizers) {
        const bool weight = q->role == Role::weight;
        set(q->parameter("scale"), {weight ? weight_scale : input_scale});
        if (q->free_zero_point) set(q->parameter("zero_point"), {128.0f});
    }
    return model;
}

void check_values(const Tensor& found, const std::vector<double>& expected) {
    BOOST_REQUIRE_EQUAL(found.numel(), static_cast<int64_t>(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) {
        BOOST_TEST(std::fabs(found.data<float>()[i] - expected[i]) <= tolerance,
                   "element " << i << " is " << found.data<float>()[i] << ", not " << expected[i]);
    }
}

struct Row {
    std::vector<double> y, dw, dgamma, dbeta, mean, var;
};

// A step of training with dL/dy = (1, -.5, .25, 2).
void check_training(const char* hardware, Simulate simulate, const Row& row) {
    const QuantizedModel model = example(hardware, simulate);
    const Execution run = execute(model.training, samples(), RunMode{true, true});
    check_values(run.output.data(), row.y);
    backward_from(run.output, Tensor::from<float>({1.0f, -0.5f, 0.25f, 2.0f}, {4, 1, 1, 1}));
    const auto gradient = [&](const char* name) {
        return run.leaves.at(model.training.node(model.training.find(name)).parameter).grad();
    };
    check_values(gradient("conv.weight"), row.dw);
    check_values(gradient("bn.weight"), row.dgamma);
    check_values(gradient("bn.bias"), row.dbeta);
    check_values(parameter(model.training, "bn.running_mean").value, row.mean);
    check_values(parameter(model.training, "bn.running_var").value, row.var);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folding_golden)

BOOST_AUTO_TEST_CASE(strategy_4_in_training) {
    const Row row{{2.029525299, 0.019057937, -1.629525299, 0.380942063},
                  {0.862033830, 1.292907024},
                  {1.446563127},
                  {2.75},
                  {0.079965794},
                  {0.856387350}};
    for (Simulate simulate : {Simulate::exact, Simulate::qdq}) {
        check_training("onnxruntime", simulate, row);
    }
}

BOOST_AUTO_TEST_CASE(no_folding_in_training) {
    const Row row{{1.908934484, 0.090251914, -1.728430656, 0.529244258},
                  {0.675926313, 1.351563654},
                  {1.492453369},
                  {2.75},
                  {0.084375},
                  {0.845807292}};
    for (Simulate simulate : {Simulate::exact, Simulate::qdq}) {
        check_training("academic", simulate, row);
    }
}

// y = conv(x, Q(w gamma / sigma)) + beta - mu gamma / sigma on running statistics, which stay.
BOOST_AUTO_TEST_CASE(evaluation_of_the_folded_graph) {
    const QuantizedModel model = example("onnxruntime", Simulate::qdq);
    const Tensor y = execute(model.inference, samples(), RunMode{}).output.data();
    check_values(y, {1.062968729, -0.187031271, -1.212031271, 0.037968729});
    check_values(parameter(model.inference, "bn.running_mean").value, {0.1});
    check_values(parameter(model.inference, "bn.running_var").value, {0.9});
}

// In exact simulation the folded bias .062969 is rounded to the grid .1 .25 of the accumulators: 3.
BOOST_AUTO_TEST_CASE(evaluation_rounds_the_folded_bias_to_the_accumulators) {
    const QuantizedModel model = example("onnxruntime", Simulate::exact);
    const Tensor y = execute(model.inference, samples(), RunMode{}).output.data();
    check_values(y, {1.0 + 0.075, -0.25 + 0.075, -1.275 + 0.075, -0.025 + 0.075});
    bool seen = false;
    execute_constants(model.inference, [&](const Node& node, const Variable& value) {
        if (node.op != "quantize_bias") return;
        seen = true;
        const Affine& bias = value.exact()->terms.at(0);
        BOOST_TEST(bias.codes.data<int32_t>()[0] == 3);
        BOOST_TEST(bias.scale.data<float>()[0] == input_scale * weight_scale);
    });
    BOOST_TEST(seen);
}

BOOST_AUTO_TEST_SUITE_END()
