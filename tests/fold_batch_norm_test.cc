// Foldings of batch norm with a quantizer that leaves weights unchanged: then all of them equal
// batch norm. tests/folding_golden_test.cc tests the effect of rounding on each.
#include "quant/fold_batch_norm.h"

#include <boost/test/unit_test.hpp>

#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

constexpr Folding foldings[] = {Folding::merge, Folding::freeze, Folding::naive,
                                Folding::whitepaper, Folding::torch};
constexpr int64_t channels = 5;

Parameter& parameter(const Graph& graph, const std::string& name) {
    return *graph.node(graph.find(name)).parameter;
}

// A convolution with batch norm, with no parameter at its neutral value.
Graph layer(bool biased) {
    GraphBuilder g({7, 7, 3}, Rng(1));
    const int conv = g.conv2d("conv", g.input(), 3, channels, 3, square_conv(2, 1));
    const Graph plain = g.finish(g.batch_norm("bn", conv, channels, 1e-3f));
    Graph network = biased ? with_conv_biases(plain) : plain;
    network.node(network.output()).attributes.set("momentum", 0.3);
    parameter(network, "bn.weight").value.copy_from(random_tensor({channels}, 2, -2, 2));
    parameter(network, "bn.bias").value.copy_from(random_tensor({channels}, 3));
    parameter(network, "bn.running_mean").value.copy_from(random_tensor({channels}, 4));
    parameter(network, "bn.running_var").value.copy_from(random_tensor({channels}, 5, 0.5f, 2));
    return network;
}

Tensor images() {
    return random_tensor({6, 7, 7, 3}, 6, -1, 2);
}

Graph folded(const Graph& network, Folding folding, bool training) {
    const Node& norm = network.node(network.output());
    const Node& conv = network.node(norm.inputs[0]);
    Graph graph;
    FoldedLayer f{conv, norm};
    f.x = graph.add_input("input", network.sample_shape());
    const auto copy = [&](const Node& node, size_t input) {
        return input < node.inputs.size()
                   ? graph.add_parameter(network.node(node.inputs[input]).parameter)
                   : -1;
    };
    if (folding == Folding::merge) {
        const MergedLayer merged = merged_layer(network, conv, norm);
        f.weight = graph.add_parameter(merged.weight);
        f.bias = graph.add_parameter(merged.bias);
    } else {
        f.weight = copy(conv, 1), f.bias = copy(conv, 2);
        f.gamma = copy(norm, 1), f.beta = copy(norm, 2);
        f.mean = copy(norm, 3), f.var = copy(norm, 4);
    }
    f.quantize_weight = [](int w, const std::vector<int>&) { return w; };
    f.quantize_biased = [](int bias, int) { return bias; };
    f.inference = conv.attributes;
    graph.set_output((training ? fold_for_training : fold_for_inference)(graph, folding, f));
    return graph;
}

using Values = std::map<std::string, Tensor>;

// Output, gradients and statistics of a step of training.
Values step(const Graph& graph) {
    const Execution run = execute(graph, images(), RunMode{true, true});
    backward_from(run.output, random_tensor(run.output.shape(), 8));
    Values values{{"y", run.output.data()}};
    for (const auto& p : graph.parameters()) {
        values[p->name] = p->trainable ? run.leaves.at(p).grad() : p->value;
    }
    return values;
}

Tensor output(const Graph& graph, bool training) {
    return execute(graph, images(), RunMode{training}).output.data();
}

// Sets the running statistics to those of the batch.
void measure(const Graph& network) {
    Graph graph = network;
    graph.node(graph.output()).attributes.set("momentum", 1.0);
    output(graph, true);
    float* var = parameter(network, "bn.running_var").value.data<float>();
    const double rows = 6 * 4 * 4;
    for (int64_t c = 0; c < channels; ++c) var[c] = static_cast<float>(var[c] * (rows - 1) / rows);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fold_batch_norm, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(batch_foldings_train_as_batch_norm_does) {
    for (const bool biased : {false, true}) {
        const Values expected = step(layer(biased));
        BOOST_TEST(expected.size() == (biased ? 7u : 6u));
        for (const Folding folding : {Folding::naive, Folding::whitepaper, Folding::torch}) {
            const Values found = step(folded(layer(biased), folding, true));
            BOOST_TEST(found.size() == expected.size());
            for (const auto& [name, value] : expected) {
                BOOST_TEST(close(found.at(name), value, 2e-5),
                           name << " of folding " << static_cast<int>(folding));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(inference_is_batch_norm_on_running_statistics) {
    for (const bool biased : {false, true}) {
        const Tensor expected = output(layer(biased), false);
        const Tensor frozen = output(folded(layer(biased), Folding::freeze, false), false);
        for (const Folding folding : foldings) {
            const Graph inference = folded(layer(biased), folding, false);
            BOOST_TEST(close(output(inference, false), expected, 1e-5));
            BOOST_TEST(same_bits(output(inference, false), frozen));
            BOOST_TEST(same_bits(output(inference, true), frozen));  // statistics are unchanged
            const Graph training = folded(layer(biased), folding, true);
            BOOST_TEST(close(output(training, false), expected, 1e-5));
        }
    }
}

BOOST_AUTO_TEST_CASE(all_foldings_agree_on_a_batch_of_running_statistics) {
    for (const bool biased : {false, true}) {
        const Graph network = layer(biased);
        measure(network);
        const Tensor expected = output(network, false);
        BOOST_TEST(close(output(detached_copy(network), true), expected, 1e-5));
        for (const Folding folding : foldings) {
            const Graph own = detached_copy(network);  // training changes its statistics
            BOOST_TEST(close(output(folded(own, folding, true), true), expected, 1e-5),
                       static_cast<int>(folding));
        }
    }
}

// Statistics changed by a step affect the next step's weights only in the foldings that read them.
BOOST_AUTO_TEST_CASE(whitepaper_reads_the_deviation_that_the_batch_has_updated) {
    const Graph network = layer(false);
    const Graph graph = folded(network, Folding::whitepaper, true);
    Tensor scale, var;
    execute(graph, images(), RunMode{true}, [&](const Node& node, const Variable& value) {
        if (node.name == "bn.scale") scale = value.data();
    });
    var = parameter(network, "bn.running_var").value;
    const Variable gamma(parameter(network, "bn.weight").value);
    BOOST_TEST(same_bits(scale, batch_norm_scale(gamma, Variable(var), 1e-3f).data()));
    BOOST_TEST(!same_bits(var, random_tensor({channels}, 5, 0.5f, 2)));
}

BOOST_AUTO_TEST_CASE(merged_values_have_the_bits_of_the_operators) {
    for (const bool biased : {false, true}) {
        const Graph network = layer(biased);
        const Node& norm = network.node(network.output());
        const MergedLayer merged = merged_layer(network, network.node(norm.inputs[0]), norm);
        BOOST_TEST(merged.weight->name == "conv.weight.merged");
        BOOST_TEST(merged.bias->name == merged_bias_name("conv"));
        parameter(network, "bn.weight").value.copy_from(random_tensor({channels}, 9));
        merged.merge();  // follows the float network
        execute_constants(folded(network, Folding::freeze, false),
                          [&](const Node& node, const Variable& value) {
                              if (node.name == "conv.weight.folded") {
                                  BOOST_TEST(same_bits(merged.weight->value, value.data()));
                              }
                              if (node.name == "conv.bias.folded") {
                                  BOOST_TEST(same_bits(merged.bias->value, value.data()));
                              }
                          });
        BOOST_TEST(merged.weight->trainable);
        BOOST_TEST(merged.bias->trainable);
    }
}

BOOST_AUTO_TEST_CASE(what_a_target_cannot_fold_is_refused) {
    const Hardware &academic = find_hardware("academic"), &integers = find_hardware("onnxruntime");
    for (int strategy = -1; strategy <= 4; ++strategy) check_folding(strategy, academic);
    for (int strategy = 0; strategy <= 4; ++strategy) check_folding(strategy, integers);
    BOOST_TEST(throws(ErrorKind::usage, {"onnxruntime", "float step", "0 to 4"},
                      [&] { check_folding(-1, integers); }));
    BOOST_TEST(throws(ErrorKind::usage, {"5", "-1 to 4"}, [&] { check_folding(5, academic); }));
}

BOOST_AUTO_TEST_SUITE_END()
