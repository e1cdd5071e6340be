// graph, attributes, builder -- the network as nodes with names.
#include "nn/graph.h"

#include <boost/test/unit_test.hpp>
#include <sstream>

#include "nn/builder.h"
#include "nn/node_attributes.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

// input -> relu -> add(relu, input)
Graph diamond() {
    Graph graph;
    const int x = graph.add_input("x", {4, 4, 3});
    const int y = graph.add_op("relu", "y", {x});
    graph.set_output(graph.add_op("add", "z", {y, x}));
    return graph;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(nodes_are_found_by_name_and_know_their_consumers) {
    const Graph g = diamond();
    BOOST_TEST(g.find("y") == 1);
    BOOST_TEST(g.find("nobody") == -1);
    BOOST_TEST(g.consumers(0) == (std::vector<int>{1, 2}), boost::test_tools::per_element());
    BOOST_TEST(g.consumers(2).empty());
    BOOST_TEST(g.input() == 0);
    BOOST_TEST(g.output() == 2);
    BOOST_TEST(g.sample_shape() == Shape({4, 4, 3}));
}

BOOST_AUTO_TEST_CASE(a_graph_that_is_none_is_refused) {
    Graph g = diamond();
    BOOST_TEST(throws(ErrorKind::runtime, {"graph", "y"}, [&] { g.add_op("relu", "y", {0}); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"graph", "w"}, [&] { g.add_op("relu", "w", {9}); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"input"}, [] { Graph().input(); }));
}

BOOST_AUTO_TEST_CASE(a_graph_prints_one_line_a_node) {
    std::ostringstream out;
    out << diamond();
    BOOST_TEST(out.str() == "x = input() shape=4,4,3\ny = relu(x) \nz = add(y, x) \n");
}

BOOST_AUTO_TEST_CASE(attributes_keep_their_types) {
    const Attributes a{{"axis", int64_t{3}},
                       {"eps", 1e-5},
                       {"mode", std::string("same")},
                       {"pad", std::vector<int64_t>{1, 2}}};
    BOOST_TEST(a.integer("axis") == 3);
    BOOST_TEST(a.real("eps") == 1e-5);
    BOOST_TEST(a.text("mode") == "same");
    BOOST_TEST(a.integers("pad") == (std::vector<int64_t>{1, 2}), boost::test_tools::per_element());
    BOOST_TEST(throws(ErrorKind::runtime, {"missing", "stride"}, [&] { a.integer("stride"); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"type", "axis"}, [&] { a.real("axis"); }));
}

BOOST_AUTO_TEST_CASE(layer_attributes_survive_the_node) {
    const Conv2dAttrs conv{2, 3, 1, 4, 5, 6, 7};
    const Conv2dAttrs c = conv2d_attrs(attributes_of(conv));
    BOOST_TEST((std::vector<int64_t>{c.stride_h, c.stride_w, c.pad_top, c.pad_left, c.pad_bottom,
                                     c.pad_right, c.groups}) ==
                   (std::vector<int64_t>{2, 3, 1, 4, 5, 6, 7}),
               boost::test_tools::per_element());
    const PoolAttrs pool{1, 2, 3, 4, 5, 6, 7, 8, false};
    const PoolAttrs p = pool_attrs(attributes_of(pool));
    BOOST_TEST((std::vector<int64_t>{p.kernel_h, p.kernel_w, p.stride_h, p.stride_w, p.pad_top,
                                     p.pad_left, p.pad_bottom, p.pad_right}) ==
                   (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8}),
               boost::test_tools::per_element());
    BOOST_TEST(!p.count_include_pad);
}

BOOST_AUTO_TEST_CASE(running_statistics_are_kept_but_do_not_learn) {
    const Graph g = small_network();
    int64_t learning = 0;
    for (const auto& parameter : g.parameters()) {
        const bool statistic = parameter->name.find(".running_") != std::string::npos;
        BOOST_TEST(parameter->trainable == !statistic, parameter->name);
        if (parameter->trainable) learning += parameter->value.numel();
    }
    BOOST_TEST(g.trainable_count() == learning);
    BOOST_TEST(g.find("block2.downsample.1.running_mean") > 0);
}

BOOST_AUTO_TEST_CASE(first_weights_depend_on_seed_and_name_alone) {
    const auto weight = [](const Graph& g, const char* name) {
        return g.node(g.find(name)).parameter->value;
    };
    const Graph a = small_network(3), b = small_network(3), c = small_network(4);
    BOOST_TEST(same_bits(weight(a, "fc.weight"), weight(b, "fc.weight")));
    BOOST_TEST(!same_bits(weight(a, "fc.weight"), weight(c, "fc.weight")));
    GraphBuilder alone({1, 1, 16}, Rng(3));
    const Graph d =
        alone.finish(alone.linear("fc", alone.flatten("flatten", alone.input()), 16, 5));
    BOOST_TEST(same_bits(weight(a, "fc.weight"), weight(d, "fc.weight")));
}

BOOST_AUTO_TEST_CASE(first_weights_have_the_usual_spread) {
    GraphBuilder g({8, 8, 32}, Rng(1));
    const Graph graph = g.finish(g.conv2d("conv", g.input(), 32, 64, 3, square_conv(1, 1)));
    const Tensor w = graph.node(graph.find("conv.weight")).parameter->value;
    double sum = 0, squares = 0;
    for (const float v : w.to_vector<float>()) {
        sum += v;
        squares += double{v} * v;
    }
    const double n = static_cast<double>(w.numel());
    BOOST_TEST(std::abs(sum / n) < 1e-3);
    BOOST_TEST(squares / n == 2.0 / (64 * 9), boost::test_tools::tolerance(0.03));
}

BOOST_AUTO_TEST_SUITE_END()
