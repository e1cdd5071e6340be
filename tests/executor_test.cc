// executor -- runs a graph node by node.
#include "nn/executor.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "autograd/ops.h"
#include "nn/builder.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(executor, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(a_graph_computes_what_its_operators_compute) {
    GraphBuilder g({6, 6, 2}, Rng(1));
    const int conv = g.conv2d("conv", g.input(), 2, 4, 3, square_conv(2, 1));
    const int pool = g.global_average_pool("pool", g.relu("relu", conv));
    const Graph graph = g.finish(g.linear("fc", g.flatten("flatten", pool), 4, 3));
    const auto parameter = [&](const char* name) {
        return Variable(graph.node(graph.find(name)).parameter->value);
    };
    const Tensor images = random_tensor({5, 6, 6, 2}, 2);
    Variable x =
        gradus::conv2d(Variable(images), parameter("conv.weight"), Variable(), square_conv(2, 1));
    x = gradus::flatten(gradus::global_average_pool(gradus::relu(x)));
    x = gradus::linear(x, parameter("fc.weight"), parameter("fc.bias"));
    BOOST_TEST(same_bits(execute(graph, images, RunMode{}).output.data(), x.data()));
}

BOOST_AUTO_TEST_CASE(nodes_are_observed_in_order_each_once) {
    const Graph graph = small_network();
    std::vector<std::string> names;
    execute(graph, small_images(2), RunMode{},
            [&](const Node& node, const Variable&) { names.push_back(node.name); });
    BOOST_REQUIRE(names.size() == graph.nodes().size());
    for (size_t i = 0; i < names.size(); ++i) BOOST_TEST(names[i] == graph.nodes()[i].name);
}

BOOST_AUTO_TEST_CASE(gradients_are_recorded_only_on_request) {
    const Graph graph = small_network();
    const Tensor images = small_images(2);
    const Execution plain = execute(graph, images, RunMode{});
    BOOST_TEST(plain.leaves.empty());
    BOOST_TEST(!plain.output.requires_grad());
    const Execution taped = execute(graph, images, RunMode{true, true});
    backward_from(taped.output, random_tensor({2, 5}, 3));
    size_t learning = 0;
    for (const auto& parameter : graph.parameters()) learning += parameter->trainable;
    BOOST_TEST(taped.leaves.size() == learning);
    for (const auto& [parameter, leaf] : taped.leaves) {
        BOOST_REQUIRE(leaf.grad().defined());
        BOOST_TEST(leaf.grad().shape() == parameter->value.shape(), parameter->name);
    }
}

BOOST_AUTO_TEST_CASE(only_training_moves_the_running_statistics) {
    const Graph graph = small_network();
    const auto mean = [&] {
        return graph.node(graph.find("bn1.running_mean")).parameter->value.clone();
    };
    const Tensor before = mean();
    execute(graph, small_images(4), RunMode{});
    BOOST_TEST(same_bits(mean(), before));
    execute(graph, small_images(4), RunMode{true});
    BOOST_TEST(!same_bits(mean(), before));
}

BOOST_AUTO_TEST_CASE(random_numbers_follow_seed_step_and_node) {
    GraphBuilder g({1, 1, 64}, Rng(1));
    const int one = g.dropout("one", g.input(), 0.5), two = g.dropout("two", g.input(), 0.5);
    const Graph graph = g.finish(g.add("sum", one, two));
    const Tensor ones = Tensor::full({2, 1, 1, 64}, 1.0f);
    const auto run = [&](uint64_t step, uint64_t seed) {
        std::vector<Tensor> values;
        execute(
            graph, ones, RunMode{true, false, step, seed},
            [&](const Node&, const Variable& value) { values.push_back(value.data().clone()); });
        return values;  // input, one, two, sum
    };
    const auto a = run(7, 3);
    BOOST_TEST(same_bits(a[3], run(7, 3)[3]));
    BOOST_TEST(!same_bits(a[1], a[2]));
    BOOST_TEST(!same_bits(a[1], run(8, 3)[1]));
    BOOST_TEST(!same_bits(a[1], run(7, 4)[1]));
}

BOOST_AUTO_TEST_CASE(constants_are_what_the_input_does_not_reach) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    std::vector<std::string> quantized;
    execute_constants(model.inference, [&](const Node& node, const Variable& value) {
        BOOST_TEST(value.defined());
        BOOST_TEST((node.op != "conv2d" && node.op != "linear" && node.op != "relu"), node.name);
        if (node.op == "quantize") quantized.push_back(node.name);
    });
    BOOST_TEST(quantized.size() == 7);  // the weights of six convolutions and of fc
}

BOOST_AUTO_TEST_CASE(the_first_node_that_is_not_finite_is_named) {
    const Graph graph = small_network();
    const Tensor images = small_images(2);
    BOOST_TEST(first_non_finite(graph, images, RunMode{}) == "");
    const auto spoil = [&](const char* name, float value) {
        Tensor& w = graph.node(graph.find(name)).parameter->value;
        std::swap(w.data<float>()[0], value);
        return value;
    };
    const float fc = spoil("fc.weight", NAN);
    BOOST_TEST(first_non_finite(graph, images, RunMode{}) == "fc.weight");
    spoil("fc.weight", fc);
    // Finite weights whose product is not.
    spoil("block1.conv1.weight", 3e38f);
    spoil("conv1.weight", 3e38f);
    BOOST_TEST(first_non_finite(graph, images, RunMode{}) != "");
    BOOST_TEST(first_non_finite(graph, images, RunMode{}).find("weight") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
    const Tensor images = small_images(9);
    BOOST_TEST(same_with_threads([&] {
        const Graph graph = small_network();
        const Execution run = execute(graph, images, RunMode{true, true, 3, 4});
        const Tensor logits = run.output.data();
        backward_from(run.output, random_tensor({9, 5}, 3));
        std::vector<Tensor> all{logits};
        for (const auto& parameter : graph.parameters()) {
            all.push_back(parameter->trainable ? run.leaves.at(parameter).grad()
                                               : parameter->value);
        }
        return all;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
