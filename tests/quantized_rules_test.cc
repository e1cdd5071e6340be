// The rules as the simulation and the lowering apply them, not only as functions: values between
// two quantizers, the constants of the Program, and differences that a comparison must find.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "integer/compare.h"
#include "integer/lower.h"
#include "quant/algorithms/lsq.h"
#include "quant/requantize_exact.h"
#include "quant/residual_add.h"
#include "tests/compare.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

QuantFormat unsigned_format(int bits) {
    QuantFormat format;
    format.bits = bits;
    format.is_signed = false;
    format.symmetric = false;
    return format;
}

Grid grid_of(float scale, int32_t zero_point) {
    return {Tensor::full({1}, scale), Tensor::from<int32_t>({zero_point}, {1}), {}};
}

Tensor onnxruntime_vectors(const char* name) {
    return golden(std::string("onnxruntime/") + name);
}

const Hardware& onnxruntime() {
    return find_hardware("onnxruntime");
}

const Quantizer& payload(const Graph& graph, int id) {
    return dynamic_cast<const Quantizer&>(*graph.node(id).payload);
}

// The quantizer of a layer's input, past nodes that pass codes on.
const Quantizer& source(const Graph& graph, int id) {
    while (graph.node(id).op != "quantize") id = graph.node(id).inputs.at(0);
    return payload(graph, id);
}

float scale_of(const Quantizer& q, int64_t channel = 0) {
    const Tensor scale = q.grid().scale;
    return scale.data<float>()[scale.numel() == 1 ? 0 : channel];
}

const Quantizer& quantizer(const QuantizedModel& model, const std::string& name) {
    return source(model.inference, model.inference.find(name));
}

Instruction& instruction(Program& program, const std::string& name) {
    for (Instruction& i : program.instructions) {
        if (i.name == name) return i;
    }
    throw std::runtime_error("no instruction " + name);
}

// relu6 between two convolutions, with values far beyond 6.
QuantizedModel relu6_model(float scale) {
    GraphBuilder g({6, 6, 2}, Rng(4));
    int x = g.batch_norm("bn1", g.conv2d("conv1", g.input(), 2, 8, 3, square_conv(1, 1)), 8);
    x = g.relu6("relu1", x);
    x = g.batch_norm("bn2", g.conv2d("conv2", x, 8, 4, 1, square_conv(1, 0)), 4);
    x = g.flatten("flatten", g.global_average_pool("pool", g.relu6("relu2", x)));
    const Graph network = g.finish(g.linear("fc", x, 4, 3));
    for (const char* name : {"bn1.weight", "bn2.weight"}) {
        Tensor& gamma = network.node(network.find(name)).parameter->value;
        for (int64_t c = 0; c < gamma.numel(); ++c) gamma.data<float>()[c] = 9.0f;
    }
    QuantizedModel model = quantize(network, Recipe{});
    calibrate(model, random_tensor({8, 6, 6, 2}, 5, -2, 2));
    quantizer(model, "relu1.quantizer").parameter("scale").value.data<float>()[0] = scale;
    return model;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantized_rules, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(accumulators_are_requantized_as_by_onnxruntime) {
    const Tensor acc = onnxruntime_vectors("conv_acc"),
                 sw = onnxruntime_vectors("conv_weight_scale");
    const Tensor scales = onnxruntime_vectors("conv_scales");
    const Tensor zeros = onnxruntime_vectors("conv_zero_points"), y = onnxruntime_vectors("conv_y");
    const int64_t cases = acc.shape()[0], n = acc.shape()[1];
    int64_t wrong = 0;
    for (int64_t k = 0; k < cases; ++k) {
        const float* s = scales.data<float>() + 2 * k;
        Affine value{Tensor::empty({1, n}, DType::I32), Tensor::empty({n}),
                     Tensor::zeros({1}, DType::I32)};
        for (int64_t c = 0; c < n; ++c) {
            value.codes.data<int32_t>()[c] = acc.data<int32_t>()[k * n + c];
            value.scale.data<float>()[c] = s[0] * sw.data<float>()[k * n + c];
        }
        value.input_scale = Tensor::full({1}, s[0]);
        value.weight_scale = Tensor::empty({n});
        std::copy_n(sw.data<float>() + k * n, n, value.weight_scale.data<float>());
        const Grid grid = grid_of(s[1], zeros.data<int32_t>()[2 * k + 1]);
        const Affine found = requantize(onnxruntime(), Exact{{value}}, grid, unsigned_format(8));
        for (int64_t c = 0; c < n; ++c) {
            wrong += found.codes.data<uint8_t>()[c] != y.data<uint8_t>()[k * n + c];
        }
    }
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(residual_sums_are_requantized_as_by_onnxruntime) {
    const Tensor scales = onnxruntime_vectors("add_scales");
    const Tensor zeros = onnxruntime_vectors("add_zero_points"), y = onnxruntime_vectors("add_y");
    int64_t wrong = 0;
    for (int64_t k = 0; k < y.numel() / 65536; ++k) {
        Tensor a = Tensor::empty({65536}, DType::U8), b = Tensor::empty({65536}, DType::U8);
        for (int64_t i = 0; i < 65536; ++i) {
            a.data<uint8_t>()[i] = static_cast<uint8_t>(i / 256);
            b.data<uint8_t>()[i] = static_cast<uint8_t>(i % 256);
        }
        const float* s = scales.data<float>() + 3 * k;
        const int32_t* z = zeros.data<int32_t>() + 3 * k;
        const Exact sum{{affine(a, s[0], z[0]), affine(b, s[1], z[1])}};
        const Affine found =
            requantize(onnxruntime(), sum, grid_of(s[2], z[2]), unsigned_format(8));
        for (int64_t i = 0; i < 65536; ++i) {
            wrong += found.codes.data<uint8_t>()[i] != y.data<uint8_t>()[k * 65536 + i];
        }
    }
    BOOST_TEST(wrong == 0);
}

// onnxruntime's compiler fuses the first product of the zero points into their sum.
BOOST_AUTO_TEST_CASE(zero_points_of_a_sum_are_rounded_once) {
    const Rng rng(3);
    int64_t wrong = 0, unfused = 0;
    for (int64_t i = 0; i < 2000; ++i) {
        const float sa = 0.01f + rng.uniform(3 * i), sb = 0.01f + rng.uniform(3 * i + 1);
        const float sy = 0.01f + rng.uniform(3 * i + 2);
        const int32_t za = static_cast<int32_t>(i % 256), zb = static_cast<int32_t>(i * 7 % 256);
        const float ra = sa / sy, second = sb / sy * static_cast<float>(zb);
        const auto zeros = static_cast<float>(static_cast<long double>(ra) * za + second);
        const float plain = ra * static_cast<float>(za) + second;
        wrong += add_constants(AddRule::onnxruntime, {sa, za}, {sb, zb}, {sy, 9}).a_offset !=
                 9.0f - zeros;
        unfused += plain != zeros;
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(unfused > 100);
}

BOOST_AUTO_TEST_CASE(clamps_act_at_the_output_grid) {
    const auto bounds_on = [](const char* hardware, float lower, float upper, float s, int32_t z) {
        const CodeBounds found =
            clamp_bounds(find_hardware(hardware), lower, upper, grid_of(s, z), unsigned_format(4));
        return std::vector<int32_t>{found.lo, found.hi};
    };
    const auto bounds = [&](float lower, float upper, float s, int32_t z) {
        return bounds_on("onnxruntime", lower, upper, s, z);
    };
    const auto is = [](int32_t lo, int32_t hi) { return std::vector<int32_t>{lo, hi}; };
    BOOST_TEST(bounds(-INFINITY, INFINITY, 0.5f, 5) == is(0, 15));
    BOOST_TEST(bounds(0.0f, INFINITY, 0.5f, 5) == is(5, 15));
    BOOST_TEST(bounds(0.0f, 6.0f, 1.0f, 5) == is(5, 11));
    BOOST_TEST(bounds(0.0f, 6.0f, 4.0f, 5) == is(5, 7));   // 1.5 to even
    BOOST_TEST(bounds(0.0f, 6.0f, 0.5f, 5) == is(5, 15));  // 17
    BOOST_TEST(bounds(0.0f, 6.0f, 2.4f, 5) == is(5, 7));   // 2.5 to even
    for (const char* tflite : {"tflite", "tflite-single"}) {
        BOOST_TEST(bounds_on(tflite, -INFINITY, INFINITY, 0.5f, 5) == is(0, 15));
        BOOST_TEST(bounds_on(tflite, 0.0f, 6.0f, 2.4f, 5) == is(5, 8));  // 2.5 away from zero
        BOOST_TEST(bounds_on(tflite, 0.0f, 6.0f, 2.5f, 5) == is(5, 7));  // 2.4
    }
    BOOST_TEST(bounds_on("xnnpack", -INFINITY, INFINITY, 0.5f, 5) == is(0, 15));
    BOOST_TEST(bounds_on("xnnpack", 0.0f, 6.0f, 2.4f, 5) == is(5, 8));  // 2.5 + 5 to even
    BOOST_TEST(bounds_on("xnnpack", 0.0f, 6.0f, 4.0f, 5) == is(5, 6));  // 1.5 + 5 to even
}

// Computes the constants of the Program from the scales alone, in R1's order of operations, to the
// bit.
BOOST_AUTO_TEST_CASE(multipliers_and_scales_of_the_program_are_those_of_the_rule) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Graph& graph = model.inference;
    int64_t compared = 0, another_order = 0;
    for (const Instruction& i : lower(model).instructions) {
        if (i.op != "conv2d" && i.op != "linear") continue;
        const Node& layer = graph.node(graph.find(i.name));
        const float sx = scale_of(source(graph, layer.inputs[0]));
        const Quantizer& weight = payload(graph, layer.inputs[1]);
        const bool logits = i.quantizer.empty();
        BOOST_TEST(logits == (i.name == "fc"));
        const Tensor& found = i.constants.at(logits ? "scale" : "multiplier");
        const float sy = logits ? 1.0f : scale_of(quantizer(model, i.quantizer));
        for (int64_t c = 0; c < found.numel(); ++c, ++compared) {
            const float sw = scale_of(weight, c);
            BOOST_REQUIRE_EQUAL(found.data<float>()[c], (sx * sw) / sy);
            another_order += found.data<float>()[c] != sx * sw * (1.0f / sy);
        }
    }
    BOOST_TEST(compared == 8 + 8 + 8 + 16 + 16 + 16 + 5);
    BOOST_TEST(another_order > 0);
}

BOOST_AUTO_TEST_CASE(biases_are_rounded_to_the_accumulators_of_their_channel) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Graph& graph = model.inference;
    std::map<std::string, Tensor> biases;
    execute_constants(graph, [&](const Node& node, const Variable& value) {
        if (node.op == "batch_norm_bias") biases[node.name] = value.data();
        if (node.op != "quantize_bias") return;
        const Node& float_bias = graph.node(node.inputs[0]);
        const Tensor b =
            float_bias.parameter ? float_bias.parameter->value : biases.at(float_bias.name);
        const Affine& codes = value.exact()->terms.at(0);
        const Quantizer& x = dynamic_cast<const Quantizer&>(*node.payload);
        for (int64_t c = 0; c < b.numel(); ++c) {
            const float s = scale_of(x) * scale_of(payload(graph, node.inputs[1]), c);
            BOOST_REQUIRE_EQUAL(codes.scale.data<float>()[c], s);
            BOOST_REQUIRE_EQUAL(codes.codes.data<int32_t>()[c],
                                static_cast<int32_t>(std::nearbyint(b.data<float>()[c] / s)));
        }
    });
    BOOST_TEST(biases.size() == 6u);
}

BOOST_AUTO_TEST_CASE(relu6_ends_at_six) {
    for (const float scale : {1.0f, 0.9f, 0.1f}) {
        const QuantizedModel model = relu6_model(scale);
        const Program program = lower(model);
        const int32_t top = std::min(15, static_cast<int32_t>(std::nearbyint(6.0f / scale)));
        const Tensor images = random_tensor({4, 6, 6, 2}, 6, -3, 3);
        int32_t simulated = 0, integer = 0;
        execute(model.inference, images, RunMode{}, [&](const Node& node, const Variable& value) {
            if (node.name != "relu1.quantizer") return;
            for (uint8_t q : value.exact()->terms[0].codes.to_vector<uint8_t>()) {
                simulated = std::max<int32_t>(simulated, q);
            }
        });
        execute(program, images, IntegerKernel::readable,
                [&](const Instruction& i, const Tensor& codes) {
                    if (i.quantizer != "relu1.quantizer") return;
                    for (uint8_t q : codes.to_vector<uint8_t>()) {
                        integer = std::max<int32_t>(integer, q);
                    }
                });
        BOOST_TEST(simulated == top);
        BOOST_TEST(integer == top);
        Comparison comparison(model, program);
        comparison.add(images, IntegerKernel::fastest);
        BOOST_TEST(comparison.codes_different() + comparison.logits_different() == 0);
    }
}

BOOST_AUTO_TEST_CASE(a_batch_norm_behind_no_convolution_does_not_fold) {
    GraphBuilder g({6, 6, 2}, Rng(4));
    const int conv = g.conv2d("conv", g.input(), 2, 3, 3, square_conv(1, 1));
    const Graph network = g.finish(g.batch_norm("bn", g.relu("relu", conv), 3));
    for (int folding = 0; folding <= 4; ++folding) {
        Recipe recipe;
        recipe.bn_fold = folding;
        BOOST_CHECK_EXCEPTION(quantize(network, recipe), Error, [](const Error& e) {
            const std::string text = e.what();
            return e.kind() == ErrorKind::usage && text.find("fold") != std::string::npos;
        });
    }
}

BOOST_AUTO_TEST_CASE(the_zero_point_learns_with_the_gradient_scale) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Quantizer& q = quantizer(model, "input.quantizer");
    BOOST_REQUIRE(q.free_zero_point);
    const Tensor x = random_tensor({4, 30}, 7, -9, 9), dy = random_tensor({4, 30}, 8);
    const Grid grid = q.grid();
    const float s = grid.scale.data<float>()[0];
    const double z = grid.zero_point.data<int32_t>()[0];
    double sum = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
        sum += lsq_terms<double>(x.data<float>()[i], dy.data<float>()[i], s, z, 0, 255).d1;
    }
    const double expected = sum / std::sqrt(120.0 * 255.0);
    BOOST_TEST(std::fabs(expected) > 1e-6);
    const QuantizerGrads grads = q.algorithm->backward(q, grid, x, dy);
    BOOST_TEST(std::fabs(grads.parameters.at(1).data<float>()[0] - expected) < 1e-6);
}

BOOST_AUTO_TEST_CASE(the_zero_point_is_rounded_to_even_and_kept_in_range) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Quantizer& shared = quantizer(model, "block1.bn2.quantizer");
    Quantizer q = shared;
    float& z = q.parameter("zero_point").value.data<float>()[0];
    const std::vector<std::pair<float, int32_t>> table{{2.5f, 2}, {3.5f, 4},   {3.6f, 4},
                                                       {-4, 0},   {15.4f, 15}, {99, 15}};
    for (const auto& [real, integer] : table) {
        z = real;
        q.algorithm->project(q);
        BOOST_TEST((z >= 0.0f && z <= 15.0f));
        BOOST_TEST(q.grid().zero_point.data<int32_t>()[0] == integer);
    }
}

BOOST_AUTO_TEST_CASE(a_learned_zero_point_starts_from_the_range) {
    QuantizedModel model = quantize(small_network(), Recipe{});
    Tensor images = small_images(4);
    for (int64_t i = 0; i < images.numel(); ++i) images.data<float>()[i] = i % 2 ? 3.1f : -2.0f;
    calibrate(model, images);
    const Quantizer& q = quantizer(model, "input.quantizer");
    BOOST_CHECK_CLOSE(q.parameter("scale").value.data<float>()[0], 0.02f, 1e-4);
    BOOST_TEST(q.parameter("zero_point").value.data<float>()[0] == 100.0f);
}

BOOST_AUTO_TEST_CASE(a_value_of_zero_is_not_negative_for_the_sign) {
    Recipe recipe;
    recipe.hardware = "academic";
    QuantizedModel model = quantize(small_network(), recipe);
    Tensor images = small_images(4);
    for (int64_t i = 0; i < images.numel(); ++i)
        images.data<float>()[i] = static_cast<float>(i % 3);
    calibrate(model, images);
    BOOST_TEST(!quantizer(model, "conv1.input.quantizer").format.is_signed);
}

BOOST_AUTO_TEST_CASE(the_scale_of_an_activation_of_zeros_is_1) {
    Recipe recipe;
    recipe.hardware = "academic";
    QuantizedModel model = quantize(small_network(), recipe);
    calibrate(model, Tensor::zeros({2, 12, 12, 1}));
    BOOST_TEST(
        quantizer(model, "conv1.input.quantizer").parameter("scale").value.data<float>()[0] ==
        1.0f);
}

// A training step may leave a negative scale; the next forward pass would use its magnitude.
BOOST_AUTO_TEST_CASE(lowering_reads_projected_parameters) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    for (const char* name : {"relu.quantizer", "block1.conv1.weight.quantizer"}) {
        Tensor& scale = quantizer(model, name).parameter("scale").value;
        for (int64_t c = 0; c < scale.numel(); ++c) scale.data<float>()[c] *= -1.0f;
    }
    const Program program = lower(model);
    BOOST_TEST(program.instructions.at(0).quantizer == "input.quantizer");
    Comparison comparison(model, program);
    comparison.add(small_images(8), IntegerKernel::fastest);
    BOOST_TEST(comparison.codes_different() == 0);
    BOOST_TEST(comparison.logits_different() == 0);
    BOOST_TEST(compare_constants(model, program).empty());
}

BOOST_AUTO_TEST_CASE(a_program_that_hides_codes_is_refused) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    Program program = lower(model);
    instruction(program, "block2.add").quantizer.clear();
    BOOST_CHECK_EXCEPTION(Comparison(model, program), Error, [](const Error& e) {
        return std::string(e.what()).find("compare: ") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(a_changed_attribute_is_named) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    for (const char* attribute : {"zero_point", "lo", "hi", "input_zero_point"}) {
        Program program = lower(model);
        Attributes& attributes = instruction(program, "block1.conv2").attributes;
        attributes.set(attribute, attributes.integer(attribute) + 1);
        const auto found = compare_constants(model, program);
        BOOST_REQUIRE_EQUAL(found.size(), 1u);
        BOOST_TEST(found[0].find("block1.conv2: ") == 0u, found[0]);
    }
}

BOOST_AUTO_TEST_CASE(one_ulp_of_the_logits_is_seen) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    Program program = lower(model);
    float& scale = instruction(program, "fc").constants.at("scale").data<float>()[1];
    scale = std::nextafter(scale, 1.0f);
    Comparison comparison(model, program);
    comparison.add(small_images(16), IntegerKernel::fastest);
    BOOST_TEST(comparison.codes_different() == 0);
    BOOST_TEST(comparison.logits_different() > 0);
}

BOOST_AUTO_TEST_SUITE_END()
