#include "quant/prepare.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <utility>

#include "models/models.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(prepare, *boost::unit_test::label("network"))

namespace {

QuantizedModel resnet(const std::string& hardware) {
    const Graph network =
        find_model("resnet18").build({{32, 32, 3}, 10, "small"}, Rng(1).split("init"));
    Recipe recipe;
    recipe.hardware = hardware;
    return quantize(network, recipe);
}

const Quantizer& quantizer(const QuantizedModel& model, const std::string& name) {
    for (const auto& q : model.quantizers) {
        if (q->name == name) return *q;
    }
    throw std::runtime_error("no quantizer " + name);
}

double largest_difference(const Tensor& a, const Tensor& b) {
    double worst = 0;
    for (int64_t i = 0; i < a.numel(); ++i) {
        worst = std::max(worst, std::fabs(double(a.data<float>()[i]) - b.data<float>()[i]));
    }
    return worst;
}

// Every folding that a hardware supports.
std::vector<Recipe> foldings() {
    std::vector<Recipe> recipes;
    for (const char* hardware : {"academic", "onnxruntime"}) {
        for (int folding = hardware == std::string("academic") ? -1 : 0; folding <= 4; ++folding) {
            recipes.emplace_back();
            recipes.back().hardware = hardware;
            recipes.back().bn_fold = folding;
        }
    }
    return recipes;
}

std::string name_of(const Recipe& recipe) {
    return join(recipe.hardware, " folding ", *recipe.bn_fold);
}

}  // namespace

BOOST_AUTO_TEST_CASE(counts_of_quantizers_are_those_of_the_benchmark) {  // MQBench, Appendix A 7
    BOOST_TEST(resnet("academic").activation_quantizers() == 21);
    BOOST_TEST(resnet("onnxruntime").activation_quantizers() == 29);
    BOOST_TEST(resnet("academic").quantizers.size() == 42u);
    BOOST_TEST(resnet("onnxruntime").quantizers.size() == 50u);
}

BOOST_AUTO_TEST_CASE(first_and_last_layer_have_eight_bits) {
    const QuantizedModel ort = resnet("onnxruntime");
    int eight = 0;
    for (const auto& q : ort.quantizers) eight += q->format.bits == 8;
    BOOST_TEST(eight == 4);
    for (const char* name : {"input.quantizer", "conv1.weight.quantizer",
                             "layer4.1.relu2.quantizer", "fc.weight.quantizer"}) {
        BOOST_TEST(quantizer(ort, name).format.bits == 8, name);
    }
    const QuantizedModel academic = resnet("academic");
    for (const char* name : {"conv1.input.quantizer", "conv1.weight.quantizer",
                             "fc.input.quantizer", "fc.weight.quantizer"}) {
        BOOST_TEST(quantizer(academic, name).format.bits == 8, name);
    }
}

BOOST_AUTO_TEST_CASE(formats_are_those_of_the_rows) {
    const QuantizedModel ort = resnet("onnxruntime");
    const Quantizer& w = quantizer(ort, "layer1.0.conv1.weight.quantizer");
    BOOST_TEST(w.format.qmin() == -7);
    BOOST_TEST(w.format.qmax() == 7);
    BOOST_TEST(w.parameter("scale").value.numel() == 64);
    // After ReLU the zero point is qmin and fixed; elsewhere it is learned.
    BOOST_TEST(!quantizer(ort, "layer1.0.relu1.quantizer").free_zero_point);
    BOOST_TEST(quantizer(ort, "layer1.0.bn2.quantizer").free_zero_point);
    BOOST_TEST(quantizer(ort, "layer2.0.downsample.1.quantizer").free_zero_point);
    BOOST_TEST(quantizer(ort, "input.quantizer").free_zero_point);
    const QuantizedModel academic = resnet("academic");
    BOOST_TEST(quantizer(academic, "layer1.0.conv1.weight.quantizer").format.qmin() == -8);
    BOOST_TEST(
        quantizer(academic, "layer1.0.conv1.weight.quantizer").parameter("scale").value.numel() ==
        1);
}

BOOST_AUTO_TEST_CASE(signs_adapt_to_what_calibration_sees) {
    const QuantizedModel model = small_quantized("academic", Simulate::exact);
    BOOST_TEST(quantizer(model, "conv1.input.quantizer").format.is_signed);
    BOOST_TEST(!quantizer(model, "block1.conv2.input.quantizer").format.is_signed);
    BOOST_TEST(!quantizer(model, "fc.input.quantizer").format.is_signed);
}

BOOST_AUTO_TEST_CASE(one_quantizer_serves_all_consumers_of_a_block_input) {
    const QuantizedModel model = resnet("onnxruntime");
    const Graph& g = model.inference;
    const int shared = g.find("layer1.1.relu2.quantizer");
    const auto readers = g.consumers(shared);
    BOOST_TEST(readers.size() == 2u);  // conv1 and downsample of layer2.0
    for (int reader : readers) BOOST_TEST(g.node(reader).op == "conv2d");
}

// Folded equals unfolded in evaluation if the quantizers' rounding is negligible. The float network
// is trained after quantize, as ./train does.
BOOST_AUTO_TEST_CASE(folding_keeps_the_function) {
    for (Recipe recipe : foldings()) {
        for (const Graph& network : {small_network(), with_conv_biases(small_network())}) {
            recipe.algorithm = "minmax";  // nothing is clipped
            recipe.simulate = Simulate::qdq;
            recipe.weight_bits = recipe.activation_bits = recipe.first_last_bits = 8;
            QuantizedModel model = quantize(network, recipe);
            train_a_little(network, 5);
            const Tensor images = small_images(8);
            calibrate(model, small_images(64));
            const Tensor reference = execute(network, images, RunMode{}).output.data();
            const Tensor folded = execute(model.inference, images, RunMode{}).output.data();
            double scale = 0;
            for (int64_t i = 0; i < reference.numel(); ++i) {
                scale = std::max(scale, std::fabs(double(reference.data<float>()[i])));
            }
            BOOST_TEST(largest_difference(reference, folded) < 0.1 * scale, name_of(recipe));
        }
    }
}

BOOST_AUTO_TEST_CASE(training_and_inference_graph_share_what_they_learn) {
    for (const Recipe& recipe : foldings()) {
        const QuantizedModel model = quantize(with_conv_biases(small_network()), recipe);
        std::map<std::string, Parameter*> training, inference;
        for (const auto& p : model.training.parameters()) training[p->name] = p.get();
        for (const auto& p : model.inference.parameters()) inference[p->name] = p.get();
        BOOST_TEST(training == inference, name_of(recipe));
        BOOST_TEST(training.count("bn1.running_mean") == (recipe.bn_fold != 0), name_of(recipe));
    }
}

// Also in the inference graph, which is trained once statistics are frozen.
BOOST_AUTO_TEST_CASE(every_parameter_that_learns_gets_a_gradient) {
    for (Recipe recipe : foldings()) {
        for (Simulate simulate : {Simulate::exact, Simulate::qdq}) {
            recipe.simulate = simulate;
            const QuantizedModel model =
                small_quantized(recipe, 1, with_conv_biases(small_network()));
            for (const Graph* graph : {&model.training, &model.inference}) {
                const Execution run = execute(*graph, small_images(8), RunMode{true, true});
                const Tensor labels = Tensor::zeros({8}, DType::I64);
                backward(softmax_cross_entropy(run.output, labels, 0.0f));
                BOOST_TEST(run.leaves.size() > 20u);
                for (const auto& [parameter, leaf] : run.leaves) {
                    BOOST_TEST(leaf.grad().defined(), name_of(recipe) << ' ' << parameter->name);
                }
            }
        }
    }
}

// Equal to the last bit of the logits, hence of every code; and statistics do not change.
BOOST_AUTO_TEST_CASE(training_on_frozen_statistics_computes_the_inference) {
    for (const Recipe& recipe : foldings()) {
        const QuantizedModel model = small_quantized(recipe, 2, with_conv_biases(small_network()));
        const Tensor images = small_images(8);
        const auto output = [&](const Graph& graph, bool training) {
            return execute(graph, images, RunMode{training}).output.data();
        };
        const Tensor expected = output(model.inference, false);
        std::map<std::string, Tensor> before;
        for (const auto& p : model.inference.parameters()) before[p->name] = p->value.clone();
        BOOST_TEST(same_bits(output(model.inference, true), expected), name_of(recipe));
        const bool keeps = model.folding() == Folding::merge || model.folding() == Folding::freeze;
        BOOST_TEST(same_bits(output(model.training, true), expected) == keeps, name_of(recipe));
        bool moved = false;
        for (const auto& p : model.inference.parameters()) {
            moved = moved || !same_bits(p->value, before.at(p->name));
        }
        BOOST_TEST(moved == !keeps, name_of(recipe));
    }
}

BOOST_AUTO_TEST_CASE(statistics_that_training_does_not_measure_are_not_estimated_anew) {
    for (const Recipe& recipe : foldings()) {
        QuantizedModel model = quantize(small_network(), recipe);
        calibrate(model, small_images(8));
        const auto estimate = [&] {
            bool given = false;
            reestimate_batch_norm(
                model, [&] { return std::exchange(given, true) ? Tensor() : small_images(8); });
        };
        if (recipe.bn_fold == 0 || recipe.bn_fold == 1) {
            BOOST_TEST(throws(ErrorKind::usage, {"folding", "--reestimate-bn"}, estimate));
            continue;
        }
        const int mean = model.training.find("bn1.running_mean");
        Tensor& value = model.training.node(mean).parameter->value;
        value.copy_from(Tensor::full(value.shape(), 50.0f));
        estimate();  // the first batch replaces the old statistics
        BOOST_TEST(largest_difference(value, Tensor::zeros(value.shape())) < 10, name_of(recipe));
    }
}

BOOST_AUTO_TEST_CASE(impossible_requests_are_usage_errors) {
    const auto is_usage = [](const Error& e) { return e.kind() == ErrorKind::usage; };
    Recipe recipe;
    recipe.hardware = "nowhere";
    BOOST_CHECK_EXCEPTION(quantize(small_network(), recipe), Error, is_usage);
    recipe = Recipe{};
    recipe.algorithm = "nothing";
    BOOST_CHECK_EXCEPTION(quantize(small_network(), recipe), Error, is_usage);
    recipe = Recipe{};
    recipe.bn_fold = -1;  // the row computes in integers throughout
    BOOST_CHECK_EXCEPTION(quantize(small_network(), recipe), Error, is_usage);
    recipe = Recipe{};
    recipe.weight_bits = 9;
    BOOST_CHECK_EXCEPTION(quantize(small_network(), recipe), Error, is_usage);
}

BOOST_AUTO_TEST_SUITE_END()
