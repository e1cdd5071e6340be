#include "quant/ptq/units.h"

#include <boost/test/unit_test.hpp>

#include "models/models.h"
#include "quant/ptq/subgraph.h"
#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(units, *boost::unit_test::label("network"))

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

// Uses more images than run at once.
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

BOOST_AUTO_TEST_SUITE_END()
