#include "quant/prepare.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>

#include "models/models.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(prepare)

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
    // Behind ReLU the zero point is qmin and does not learn; elsewhere it does.
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

// Folded equals unfolded in evaluation where the quantizers round next to nothing.
BOOST_AUTO_TEST_CASE(folding_keeps_the_function) {
    const Graph network = small_network();
    train_a_little(network, 5);
    Recipe recipe;
    recipe.algorithm = "minmax";  // nothing is clipped
    recipe.simulate = Simulate::qdq;
    recipe.weight_bits = recipe.activation_bits = recipe.first_last_bits = 8;
    QuantizedModel model = quantize(network, recipe);
    const Tensor images = small_images(8);
    calibrate(model, small_images(64));
    const Tensor reference = execute(network, images, RunMode{}).output.data();
    const Tensor folded = execute(model.inference, images, RunMode{}).output.data();
    double scale = 0;
    for (int64_t i = 0; i < reference.numel(); ++i) {
        scale = std::max(scale, std::fabs(double(reference.data<float>()[i])));
    }
    BOOST_TEST(largest_difference(reference, folded) < 0.1 * scale);
}

// With batch statistics equal to running statistics, the training graph is the inference graph.
BOOST_AUTO_TEST_CASE(training_and_inference_graph_share_what_they_learn) {
    QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    std::map<std::string, Parameter*> training, inference;
    for (const auto& p : model.training.parameters()) training[p->name] = p.get();
    for (const auto& p : model.inference.parameters()) inference[p->name] = p.get();
    BOOST_TEST(training == inference);
}

BOOST_AUTO_TEST_CASE(every_parameter_that_learns_gets_a_gradient) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        for (Simulate simulate : {Simulate::exact, Simulate::qdq}) {
            const QuantizedModel model = small_quantized(hardware, simulate);
            const Execution run = execute(model.training, small_images(8), RunMode{true, true});
            const Tensor labels = Tensor::zeros({8}, DType::I64);
            backward(softmax_cross_entropy(run.output, labels, 0.0f));
            for (const auto& [parameter, leaf] : run.leaves) {
                BOOST_TEST(leaf.grad().defined(), hardware << ' ' << parameter->name);
            }
        }
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
    recipe.weight_bits = 9;
    BOOST_CHECK_EXCEPTION(quantize(small_network(), recipe), Error, is_usage);
}

BOOST_AUTO_TEST_SUITE_END()
