#include "quant/ptq/equalize.h"

#include <boost/test/unit_test.hpp>
#include <functional>

#include "quant/ptq/subgraph.h"
#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

Tensor output_of(const Graph& network, const Tensor& images) {
    return execute(network, images, RunMode{}).output.data();
}

// Relative to the largest number of the network's output.
double relative_difference(const Tensor& a, const Tensor& b) {
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < a.numel(); ++i) {
        worst = std::max(worst, std::fabs(double{a.data<float>()[i]} - b.data<float>()[i]));
        largest = std::max(largest, std::fabs(double{a.data<float>()[i]}));
    }
    return worst / largest;
}

Tensor& parameter(const Graph& network, const std::string& name) {
    return network.node(network.find(name)).parameter->value;
}

// Filters of very different size, as in a network with depthwise convolutions.
void unbalance(const Graph& network, const std::string& name, uint64_t seed) {
    Tensor& values = parameter(network, name);
    const int64_t channels = values.shape()[0], each = values.numel() / channels;
    for (int64_t i = 0; i < values.numel(); ++i) {
        values.data<float>()[i] *= std::exp2(8.0f * Rng(seed).uniform(i / each) - 2.0f);
    }
}

// conv, bn, relu, depthwise, bn, relu, max pool, grouped conv, relu, flatten 3x3, linear, linear.
Graph plain_network() {
    GraphBuilder g({6, 6, 2}, Rng(3));
    int x = g.relu(
        "relu1", g.batch_norm("bn1", g.conv2d("conv1", g.input(), 2, 8, 3, square_conv(1, 1)), 8));
    x = g.conv2d("depthwise", x, 8, 8, 3, square_conv(1, 1, 8));
    x = g.max_pool2d("pool", g.relu("relu2", g.batch_norm("bn2", x, 8)), square_pool(2, 2, 0));
    x = g.relu("relu3", g.conv2d("grouped", x, 8, 8, 3, square_conv(1, 1, 2)));
    x = g.linear("fc1", g.flatten("flatten", x), 72, 6);
    return g.finish(g.linear("fc2", g.relu("relu4", x), 6, 4));
}

Tensor plain_images() {
    return random_tensor({5, 6, 6, 2}, 7, -1, 2);
}

Graph unbalanced_network() {
    Graph network = plain_network();
    for (const char* name : {"bn1.weight", "depthwise.weight", "grouped.weight", "fc1.weight"}) {
        unbalance(network, name, 11 + network.find(name));
    }
    for (const auto& p : network.parameters()) {
        if (p->name.ends_with("running_var") || p->name.ends_with(".bias")) {
            p->value.copy_from(random_tensor(p->value.shape(), p->value.numel(), 0.2f, 1.5f));
        }
    }
    return network;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(equalize_layers, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(the_function_stays) {
    for (const bool small : {true, false}) {
        const Graph network = small ? small_network() : unbalanced_network();
        if (small) {
            train_a_little(network, 4);
            unbalance(network, "block1.bn1.weight", 5);
            unbalance(network, "block2.bn1.weight", 6);
        }
        const Tensor images = small ? small_images(16) : plain_images();
        const Tensor before = output_of(network, images);
        const Graph untouched = detached_copy(network);
        BOOST_TEST(!equalize(network).pairs.empty());
        const Tensor after = output_of(network, images);
        BOOST_TEST(!same_bits(before, after));  // it changed something
        BOOST_TEST(relative_difference(before, after) < 1e-4);
        BOOST_TEST(same_bits(output_of(untouched, images), before));
    }
}

BOOST_AUTO_TEST_CASE(ranges_come_together) {
    const Graph network = unbalanced_network();
    const Equalization result = equalize(network);
    BOOST_REQUIRE(result.pairs.size() == 4u);
    BOOST_TEST(result.pairs[0].first == "conv1");
    BOOST_TEST(result.pairs[0].second == "depthwise");
    BOOST_TEST(result.pairs[2].first == "grouped");
    BOOST_TEST(result.pairs[2].second == "fc1");
    for (const EqualizedPair& pair : result.pairs) {
        BOOST_TEST(pair.spread_after < 0.5 * pair.spread_before, pair.first);
    }
    // A second pass has nothing left to do.
    for (const EqualizedPair& pair : equalize(network).pairs) {
        BOOST_TEST(std::fabs(pair.spread_after / pair.spread_before - 1) < 0.01, pair.first);
    }
}

// Two 1x1 layers by hand: ranges 2 |w|.
BOOST_AUTO_TEST_CASE(factors_are_those_of_the_formula) {
    GraphBuilder g({1, 1, 1}, Rng(1));
    const int x = g.relu("relu", g.conv2d("a", g.input(), 1, 4, 1, square_conv(1, 0)));
    const Graph network = g.finish(g.conv2d("b", x, 4, 1, 1, square_conv(1, 0)));
    // uneven, uneven but small (the ranges' sum is 0.3), a dead filter
    parameter(network, "a.weight").copy_from(Tensor::from<float>({8, -2, 0.1f, 0}, {4, 1, 1, 1}));
    parameter(network, "b.weight").copy_from(Tensor::from<float>({2, 2, 0.05f, 3}, {1, 1, 1, 4}));
    equalize(network);
    const Tensor a = Tensor::from<float>({4, -2, 0.1f, 0}, {4, 1, 1, 1});
    const Tensor b = Tensor::from<float>({4, 2, 0.05f, 3}, {1, 1, 1, 4});
    BOOST_TEST(close(parameter(network, "a.weight"), a, 1e-6));
    BOOST_TEST(close(parameter(network, "b.weight"), b, 1e-6));
}

BOOST_AUTO_TEST_CASE(what_is_skipped_says_why) {
    GraphBuilder g({4, 4, 1}, Rng(1));
    int x = g.relu6("relu6", g.conv2d("a", g.input(), 1, 4, 1, square_conv(1, 0)));
    x = g.conv2d("b", x, 4, 4, 1, square_conv(1, 0));
    x = g.add("sum", g.conv2d("c", x, 4, 4, 1, square_conv(1, 0)), x);
    const Graph network = g.finish(g.conv2d("d", x, 4, 2, 1, square_conv(1, 0)));
    const Graph before = detached_copy(network);
    const Equalization result = equalize(network);
    BOOST_TEST(result.pairs.empty());
    const std::vector<std::string> skipped = {"a: relu6 is a relu6",
                                              "b: more than one node reads it", "c: sum is a add",
                                              "d: the last layer"};
    BOOST_TEST(result.skipped == skipped, boost::test_tools::per_element());
    for (const auto& p : network.parameters()) {
        BOOST_TEST(same_bits(p->value, parameter(before, p->name)), p->name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
