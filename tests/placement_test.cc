// The places of quantizers, node by node, in the blocks of MQBench's figures 4, 13 and 14: residual
// blocks with and without downsample, inverted residuals, concat, pooling; and the integers of
// these networks.
#include "quant/placement.h"

#include <boost/test/unit_test.hpp>

#include "integer/compare.h"
#include "integer/lower.h"
#include "models/models.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

using Names = std::set<std::string>;

Names behind(const Graph& network, const std::string& hardware) {
    Names names;
    for (const auto& [id, name] : place_quantizers(network, find_hardware(hardware)).behind) {
        names.insert(network.node(id).name);
    }
    return names;
}

Names before(const Graph& network, const std::string& hardware) {
    Names names;
    for (int id : place_quantizers(network, find_hardware(hardware)).before) {
        names.insert(network.node(id).name);
    }
    return names;
}

// The nodes of activation quantizers that quantize adds to the inference graph.
Names quantize_nodes(const Graph& graph) {
    Names names;
    for (const Node& node : graph.nodes()) {
        const auto* q = dynamic_cast<const Quantizer*>(node.payload.get());
        if (node.op == "quantize" && q->role == Role::activation) names.insert(node.name);
    }
    return names;
}

Recipe recipe_for(const std::string& hardware) {
    Recipe recipe;
    recipe.hardware = hardware;
    return recipe;
}

int conv_bn(GraphBuilder& g, const std::string& name, int x, int64_t in, int64_t out,
            const Conv2dAttrs& attrs = square_conv(1, 0), int64_t kernel = 1) {
    return g.batch_norm(name + ".bn", g.conv2d(name, x, in, out, kernel, attrs), out);
}

// x - 1x1 - relu6 - 3x3 depthwise - relu6 - 1x1 (+ x): `main_first` is the side of the add.
int inverted_residual(GraphBuilder& g, const std::string& name, int x, int64_t stride,
                      bool main_first) {
    int y = g.relu6(name + ".relu1", conv_bn(g, name + ".expand", x, 8, 16));
    y = conv_bn(g, name + ".depthwise", y, 16, 16, square_conv(stride, 1, 16), 3);
    y = conv_bn(g, name + ".project", g.relu6(name + ".relu2", y), 16, 8);
    if (stride != 1) return y;
    return main_first ? g.add(name + ".add", y, x) : g.add(name + ".add", x, y);
}

Graph mobile_network(bool main_first) {
    GraphBuilder g({12, 12, 1}, Rng(1));
    int x = g.relu6("relu", conv_bn(g, "stem", g.input(), 1, 8, square_conv(1, 1), 3));
    x = inverted_residual(g, "a", x, 1, main_first);
    x = inverted_residual(g, "b", x, 2, main_first);
    x = g.flatten("flatten", g.global_average_pool("pool", x));
    return g.finish(g.linear("fc", x, 8, 5));
}

// Two branches and the pooled input joined, joined again with a third.
Graph concat_network() {
    GraphBuilder g({12, 12, 1}, Rng(2));
    const int x = g.relu("relu", conv_bn(g, "stem", g.input(), 1, 8, square_conv(1, 1), 3));
    const int a = g.relu("a.relu", conv_bn(g, "a", x, 8, 8));
    const int b = conv_bn(g, "b", x, 8, 8);
    const int pooled = g.max_pool2d("pool", x, square_pool(3, 1, 1));
    const int first = g.concat("join1", {a, b, pooled});
    const int c = g.relu("c.relu", conv_bn(g, "c", first, 24, 8));
    const int second = g.concat("join2", {first, c});
    const int d = g.relu("d.relu", conv_bn(g, "d", second, 32, 8));
    return g.finish(
        g.linear("fc", g.flatten("flatten", g.global_average_pool("average", d)), 8, 5));
}

void check_integers(const Graph& network, const std::string& hardware) {
    BOOST_TEST_CONTEXT(hardware) {
        train_a_little(network, 3);
        QuantizedModel model = quantize(network, recipe_for(hardware));
        calibrate(model, small_images(32));
        train_a_little(model.training, 3, 0.02f);
        const Program program = lower(model);
        Comparison comparison(model, program);
        comparison.add(small_images(16, 5), IntegerKernel::fastest);
        BOOST_TEST(comparison.codes_different() == 0, comparison.first_different());
        BOOST_TEST(comparison.logits_different() == 0);
        BOOST_TEST(comparison.codes_compared() > 1000);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(placement, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(counts_of_the_six_settings) {  // MQBench, Appendix A 7
    const Graph network = find_model("resnet18").build({{28, 28, 1}, 10, "imagenet"}, Rng(1));
    const std::vector<std::pair<const char*, int>> counts{
        {"academic", 21}, {"acl", 21},    {"tensorrt", 21}, {"tvm", 29},
        {"snpe", 29},     {"fbgemm", 29}, {"tflite", 29}};
    for (const auto& [hardware, count] : counts) {
        BOOST_TEST(quantize(network, recipe_for(hardware)).activation_quantizers() == count,
                   hardware);
    }
}

BOOST_AUTO_TEST_CASE(residual_blocks) {
    const Graph network = small_network();  // block1 identity, block2 with downsample
    const Names graph_3{"input",      "relu",         "block1.relu1",
                        "block1.bn2", "block1.relu2", "block2.relu1",
                        "block2.bn2", "block2.relu2", "block2.downsample.1"};
    BOOST_TEST((behind(network, "tvm") == graph_3));
    Names graph_2 = graph_3;
    graph_2.erase("block1.bn2");
    graph_2.erase("block2.bn2");
    BOOST_TEST((behind(network, "tensorrt") == graph_2));
    BOOST_TEST(behind(network, "acl").empty());
    BOOST_TEST(
        (before(network, "acl") == Names{"conv1", "block1.conv1", "block1.conv2", "block2.conv1",
                                         "block2.conv2", "block2.downsample.0", "fc"}));
    BOOST_TEST(before(network, "tvm").empty());
}

BOOST_AUTO_TEST_CASE(inverted_residuals_on_either_side_of_the_add) {
    for (const bool main_first : {true, false}) {
        const Graph network = mobile_network(main_first);
        const Names graph_3{"input", "relu",    "a.relu1", "a.relu2",     "a.project.bn",
                            "a.add", "b.relu1", "b.relu2", "b.project.bn"};
        BOOST_TEST((behind(network, "fbgemm") == graph_3));
        Names graph_2 = graph_3;
        graph_2.erase("a.project.bn");
        BOOST_TEST((behind(network, "tensorrt") == graph_2));
        const int add = network.find("a.add");
        BOOST_TEST(main_branch(network, add) == network.find("a.project.bn"));
    }
}

// After ReLU6, not before it: the convolution's output reaches the quantizer clamped.
BOOST_AUTO_TEST_CASE(quantizers_stand_behind_relu6) {
    const QuantizedModel model = quantize(mobile_network(true), recipe_for("fbgemm"));
    const Graph& g = model.inference;
    const int q = g.find("a.relu1.quantizer");
    BOOST_REQUIRE(q >= 0);
    BOOST_TEST(g.node(g.node(q).inputs[0]).op == "relu6");
    BOOST_TEST(!dynamic_cast<const Quantizer&>(*g.node(q).payload).free_zero_point);
}

// If only the sum reads two layers, graph 2 spares the deeper one, on either side.
BOOST_AUTO_TEST_CASE(the_deeper_layer_is_the_main_branch) {
    for (const bool main_first : {true, false}) {
        GraphBuilder g({12, 12, 1}, Rng(1));
        const int x = g.relu("relu", conv_bn(g, "stem", g.input(), 1, 8));
        const int y = conv_bn(g, "b", g.relu("a.relu", conv_bn(g, "a", x, 8, 8)), 8, 8);
        const int shortcut = conv_bn(g, "shortcut", x, 8, 8);
        const int sum = main_first ? g.add("add", y, shortcut) : g.add("add", shortcut, y);
        const Graph network = g.finish(conv_bn(g, "last", g.relu("relu2", sum), 8, 5));
        BOOST_TEST(main_branch(network, network.find("add")) == network.find("b.bn"));
        BOOST_TEST((behind(network, "tensorrt") ==
                    Names{"input", "relu", "a.relu", "shortcut.bn", "relu2"}));
    }
}

// A branch with an activation keeps its quantizer, and so does one with another reader.
BOOST_AUTO_TEST_CASE(only_what_the_sum_takes_from_its_accumulators_is_spared) {
    GraphBuilder g({12, 12, 1}, Rng(1));
    const int x = g.relu("relu", conv_bn(g, "stem", g.input(), 1, 8));
    const int active = g.relu("b.relu", conv_bn(g, "b", conv_bn(g, "a", x, 8, 8), 8, 8));
    const int first = g.add("add1", active, conv_bn(g, "c", x, 8, 8));
    const int shared = conv_bn(g, "shared", g.relu("relu1", first), 8, 8);
    const int second = g.add("add2", shared, x);
    const int third = g.add("add3", g.relu("relu2", second), conv_bn(g, "d", shared, 8, 8));
    const Graph network = g.finish(conv_bn(g, "last", third, 8, 5));
    BOOST_TEST(main_branch(network, network.find("add1")) == network.find("c.bn"));
    BOOST_TEST(main_branch(network, network.find("add2")) == -1);
    BOOST_TEST(main_branch(network, network.find("add3")) == network.find("d.bn"));
    const Names kept = behind(network, "tensorrt");
    BOOST_TEST(kept.count("b.relu") + kept.count("shared.bn") == 2u);
    BOOST_TEST(kept.count("c.bn") + kept.count("d.bn") == 0u);
}

BOOST_AUTO_TEST_CASE(what_a_concat_joins_shares_one_grid) {
    const Graph network = concat_network();
    const Placement place = place_quantizers(network, find_hardware("snpe"));
    Names shared;
    const int name = place.behind.at(network.find("a.relu"));
    for (const auto& [id, of] : place.behind) {
        if (of == name) shared.insert(network.node(id).name);
    }
    BOOST_TEST((shared == Names{"relu", "a.relu", "b.bn", "c.relu"}));
    const QuantizedModel model = quantize(network, recipe_for("snpe"));
    BOOST_TEST((quantize_nodes(model.inference) == Names{"input.quantizer", "relu.quantizer",
                                                         "a.relu.quantizer", "b.bn.quantizer",
                                                         "c.relu.quantizer", "d.relu.quantizer"}));
    BOOST_TEST(model.activation_quantizers() == 3);
    // b has no ReLU, so the grid has a free zero point.
    for (const auto& q : model.quantizers) {
        if (q->name == "relu.quantizer") BOOST_TEST(q->free_zero_point);
    }
}

// In graph 1 the branches are joined as floats, and each following layer has its own quantizer.
BOOST_AUTO_TEST_CASE(graph_1_joins_floats) {
    BOOST_TEST((before(concat_network(), "acl") == Names{"stem", "a", "b", "c", "d", "fc"}));
}

BOOST_AUTO_TEST_CASE(what_was_placed_is_the_same_in_integers) {
    for (const Hardware& hardware : hardware_table()) {
        check_integers(concat_network(), hardware.name);
        check_integers(mobile_network(true), hardware.name);
        check_integers(mobile_network(false), hardware.name);
    }
}

BOOST_AUTO_TEST_CASE(nodes_without_an_integer_rule_are_refused) {
    GraphBuilder g({12, 12, 1}, Rng(1));
    const int x = g.batch_norm(
        "bn", g.relu("relu", g.conv2d("conv", g.input(), 1, 4, 3, square_conv(1, 1))), 4);
    const Graph network =
        g.finish(g.linear("fc", g.flatten("flatten", g.global_average_pool("pool", x)), 4, 3));
    for (const Hardware& hardware : hardware_table()) {
        if (!hardware.integer_throughout()) continue;
        BOOST_CHECK_EXCEPTION(
            quantize(network, recipe_for(hardware.name)), Error, [&](const Error& error) {
                const std::string text = error.what();
                return text.find("bn") == 0 && text.find(hardware.name) != std::string::npos;
            });
    }
}

BOOST_AUTO_TEST_SUITE_END()
