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

// All samples are multiples of the input's scale, so its quantizer does not change them.
Tensor samples() {
    return Tensor::from<float>({1.0f, -0.5f, 0.2f, 0.8f, -1.5f, 0.3f, 0.7f, 1.1f}, {4, 1, 1, 2});
}

Parameter& parameter(const Graph& graph, const std::string& name) {
    return *graph.node(graph.find(name)).parameter;
}

void set(Parameter& parameter, const std::vector<float>& values) {
    std::copy(values.begin(), values.end(), parameter.value.data<float>());
}

Graph example_network(bool biased) {
    GraphBuilder g({1, 1, 2}, Rng(1));
    const int conv = g.conv2d("conv", g.input(), 2, 1, 1, square_conv(1, 0));
    const Graph plain = g.finish(g.batch_norm("bn", conv, 1));
    const Graph network = biased ? with_conv_biases(plain) : plain;
    if (biased) set(parameter(network, "conv.bias"), {0.3f});
    set(parameter(network, "conv.weight"), {0.62f, -0.37f});
    set(parameter(network, "bn.weight"), {1.3f});
    set(parameter(network, "bn.bias"), {0.2f});
    set(parameter(network, "bn.running_mean"), {0.1f});
    set(parameter(network, "bn.running_var"), {0.9f});
    return network;
}

// Scales are given, not learned: the input's is exact, the weights' is the table's.
QuantizedModel example(const std::string& hardware, Simulate simulate, int folding,
                       bool biased = false) {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.bn_fold = folding;
    recipe.simulate = simulate;
    recipe.weight_bits = recipe.activation_bits = 4;
    QuantizedModel model = quantize(example_network(biased), recipe);
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

const Tensor dy = Tensor::from<float>({1.0f, -0.5f, 0.25f, 2.0f}, {4, 1, 1, 1});

// The output of tests/golden/make_folding.py; the convolution's bias is 0.3 or none.
struct Row {
    int folding;
    bool biased;
    std::vector<double> y, dw, dbias, dgamma, dbeta, mean, var;
};

// A step of training.
void check_training(const char* hardware, Simulate simulate, const Row& row) {
    const QuantizedModel model = example(hardware, simulate, row.folding, row.biased);
    const Execution run = execute(model.training, samples(), RunMode{true, true});
    check_values(run.output.data(), row.y);
    backward_from(run.output, dy);
    const auto gradient = [&](const char* name) {
        return run.leaves.at(model.training.node(model.training.find(name)).parameter).grad();
    };
    check_values(gradient("conv.weight"), row.dw);
    if (row.biased) check_values(gradient("conv.bias"), row.dbias);
    check_values(gradient("bn.weight"), row.dgamma);
    check_values(gradient("bn.bias"), row.dbeta);
    check_values(parameter(model.training, "bn.running_mean").value, row.mean);
    check_values(parameter(model.training, "bn.running_var").value, row.var);
}

const std::vector<Row> rows{
    {-1,
     false,
     {1.908934484, 0.090251914, -1.728430656, 0.529244258},
     {0.675926313, 1.351563654},
     {0},
     {1.492453369},
     {2.75},
     {0.084375000},
     {0.845807292}},
    {1,
     false,
     {1.062968729, -0.187031271, -1.212031271, 0.037968729},
     {2.637851960, 1.884179972},
     {3.768359943},
     {0.431912024},
     {2.75},
     {0.100000000},
     {0.900000000}},
    {2,
     false,
     {2.013515486, 0.038515486, -1.711484514, 0.438515486},
     {0.671799107, 1.125600050},
     {0},
     {1.441269971},
     {2.75},
     {0.080475000},
     {0.867524292}},
    {3,
     false,
     {1.806534390, 0.034010760, -1.419458617, 0.353065013},
     {1.063376863, 1.017297848},
     {0},
     {1.441269971},
     {2.75},
     {0.080475000},
     {0.867524292}},
    {4,
     false,
     {2.029525299, 0.019057937, -1.629525299, 0.380942063},
     {0.862033830, 1.292907024},
     {0},
     {1.446563127},
     {2.75},
     {0.079965794},
     {0.856387350}},
    {-1,
     true,
     {1.908934484, 0.090251914, -1.728430656, 0.529244258},
     {0.675926313, 1.351563654},
     {0},
     {1.492453369},
     {2.75},
     {0.114375000},
     {0.845807292}},
    {1,
     true,
     {1.474062541, 0.224062541, -0.800937459, 0.449062541},
     {2.637851960, 1.884179972},
     {3.768359943},
     {1.301533550},
     {2.75},
     {0.100000000},
     {0.900000000}},
    {2,
     true,
     {2.013515486, 0.038515486, -1.711484514, 0.438515486},
     {0.671799107, 1.125600050},
     {0},
     {1.441269971},
     {2.75},
     {0.110475000},
     {0.867524292}},
    {3,
     true,
     {1.806534390, 0.034010760, -1.419458617, 0.353065013},
     {1.063376863, 1.017297848},
     {0},
     {1.441269971},
     {2.75},
     {0.110475000},
     {0.867524292}},
    {4,
     true,
     {2.029525299, 0.019057937, -1.629525299, 0.380942063},
     {0.862033830, 1.292907024},
     {0},
     {1.446563127},
     {2.75},
     {0.109965794},
     {0.856387350}},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(folding_golden, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(every_folding_in_training) {
    for (const Row& row : rows) {
        BOOST_TEST_CONTEXT("folding " << row.folding << (row.biased ? ", biased" : "")) {
            check_training("academic", Simulate::qdq, row);
            if (row.folding >= 0) check_training("onnxruntime", Simulate::qdq, row);
            if (row.folding == 1) continue;  // its bias is rounded, as below
            check_training("academic", Simulate::exact, row);
            if (row.folding >= 0) check_training("onnxruntime", Simulate::exact, row);
        }
    }
}

// A merged layer computes the same as a frozen one. While the residual r of the rounding is
// constant it is x (w + r) + b, whose gradients are finite differences.
BOOST_AUTO_TEST_CASE(merged_is_frozen_with_parameters_of_its_own) {
    for (const bool biased : {false, true}) {
        for (const Simulate simulate : {Simulate::exact, Simulate::qdq}) {
            const QuantizedModel merged = example("onnxruntime", simulate, 0, biased);
            const QuantizedModel frozen = example("onnxruntime", simulate, 1, biased);
            const Execution run = execute(merged.training, samples(), RunMode{true, true});
            const Tensor expected =
                execute(frozen.training, samples(), RunMode{true}).output.data();
            BOOST_TEST(same_bits(run.output.data(), expected));
            backward_from(run.output, dy);
            BOOST_TEST(merged.training.find("bn.weight") == -1);
            const auto gradient = [&](const char* name) {
                const Graph& graph = merged.training;
                return run.leaves.at(graph.node(graph.find(name)).parameter).grad();
            };
            std::vector<double> dw(2), db{0.0};
            for (int sample = 0; sample < 4; ++sample) {
                const double d = dy.data<float>()[sample];
                for (int c = 0; c < 2; ++c) {
                    const double x = samples().data<float>()[2 * sample + c];
                    const auto y = [&](double w) { return x * (w + 0.1) + 0.3; };
                    dw[c] += d * (y(0.75) - y(0.25)) / 0.5;
                }
                db[0] += d;
            }
            check_values(gradient("conv.weight.merged"), dw);
            check_values(gradient("conv.bias.merged"), db);
        }
    }
}

// y = conv(x, Q(w gamma / sigma)) + beta + (b - mu) gamma / sigma on running statistics, which do
// not change.
BOOST_AUTO_TEST_CASE(evaluation_of_the_folded_graph) {
    for (int folding = 0; folding <= 4; ++folding) {
        for (const Row& row : rows) {
            if (row.folding != 1) continue;
            const auto model = example("onnxruntime", Simulate::qdq, folding, row.biased);
            const Tensor y = execute(model.inference, samples(), RunMode{}).output.data();
            check_values(y, row.y);
            if (folding == 0) continue;
            check_values(parameter(model.inference, "bn.running_mean").value, {0.1});
            check_values(parameter(model.inference, "bn.running_var").value, {0.9});
        }
    }
}

// In exact simulation the folded bias is rounded to the grid .1 .25 of the accumulators: .062969 to
// 3 steps, and .474063 to 19.
BOOST_AUTO_TEST_CASE(evaluation_rounds_the_folded_bias_to_the_accumulators) {
    for (int folding = 0; folding <= 4; ++folding) {
        for (const bool biased : {false, true}) {
            const int code = biased ? 19 : 3;
            const double bias = code * 0.025;
            const auto model = example("onnxruntime", Simulate::exact, folding, biased);
            const std::vector<double> expected{1.0 + bias, -0.25 + bias, -1.275 + bias,
                                               -0.025 + bias};
            check_values(execute(model.inference, samples(), RunMode{}).output.data(), expected);
            const bool alike = folding <= 1;  // training is inference
            if (alike)
                check_values(execute(model.training, samples(), RunMode{true}).output.data(),
                             expected);
            int seen = 0;
            execute_constants(model.inference, [&](const Node& node, const Variable& value) {
                if (node.op != "quantize_bias") return;
                ++seen;
                const Affine& codes = value.exact()->terms.at(0);
                BOOST_TEST(codes.codes.data<int32_t>()[0] == code);
                BOOST_TEST(codes.scale.data<float>()[0] == input_scale * weight_scale);
            });
            BOOST_TEST(seen == 1);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
