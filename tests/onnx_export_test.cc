// onnx_export -- the files for each target and form, read back by the message classes: their nodes
// and numbers, and refusals.
#include "io/onnx_export.h"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "integer/lower.h"
#include "io/encodings.h"
#include "io/onnx_file.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

const QuantizedModel& model_on(const std::string& hardware, int bits) {
    static std::map<std::string, QuantizedModel> models;
    const std::string key = join(hardware, bits);
    if (!models.count(key)) models[key] = small_quantized(hardware, Simulate::exact, bits);
    return models.at(key);
}

// A file with its nodes and tensors by name.
struct Exported {
    onnx::ModelProto model;
    OnnxSummary summary;
    std::map<std::string, onnx::NodeProto> producer;  // by output
    std::map<std::string, onnx::TensorProto> tensors;

    void read(const std::string& path) {
        model = read_onnx(path);
        for (const auto& node : model.graph().node()) producer[node.output(0)] = node;
        for (const auto& tensor : model.graph().initializer()) tensors[tensor.name()] = tensor;
    }
    std::vector<onnx::NodeProto> all(const std::string& op) const {
        std::vector<onnx::NodeProto> found;
        for (const auto& node : model.graph().node()) {
            if (node.op_type() == op) found.push_back(node);
        }
        return found;
    }
    size_t count(const std::string& op) const { return all(op).size(); }
    std::string op_of(const std::string& tensor) const {
        const auto found = producer.find(tensor);
        return found == producer.end() ? "" : found->second.op_type();
    }
    template <class T>
    std::vector<T> values(const std::string& name) const {
        const std::string& bytes = tensors.at(name).raw_data();
        std::vector<T> result(bytes.size() / sizeof(T));
        std::memcpy(result.data(), bytes.data(), bytes.size());
        return result;
    }
    std::vector<int64_t> dims(const std::string& name) const {
        const auto& dims = tensors.at(name).dims();
        return {dims.begin(), dims.end()};
    }
    int type(const std::string& name) const { return tensors.at(name).data_type(); }
};

Exported exported(const std::string& hardware, int bits, const std::string& target,
                  const std::string& form = "qdq") {
    const TemporaryFolder folder;
    const QuantizedModel& model = model_on(hardware, bits);
    Exported file;
    const OnnxRequest request{target, form, {{"model", "small"}}};
    file.summary = save_onnx(folder.path("m.onnx"), model, lower(model), request);
    file.read(folder.path("m.onnx"));
    return file;
}

const Instruction& instruction(const Program& program, const std::string& name) {
    for (const Instruction& i : program.instructions) {
        if (i.name == name) return i;
    }
    fail(ErrorKind::runtime, "test: no instruction ", name);
}

const onnx::AttributeProto& attribute(const onnx::NodeProto& node, const std::string& name) {
    for (const auto& a : node.attribute()) {
        if (a.name() == name) return a;
    }
    fail(ErrorKind::runtime, "test: ", node.name(), " has no ", name);
}
std::vector<int64_t> integers(const onnx::NodeProto& node, const std::string& name) {
    const auto& a = attribute(node, name);
    return {a.ints().begin(), a.ints().end()};
}
int64_t integer(const onnx::NodeProto& node, const std::string& name) {
    return attribute(node, name).i();
}

using Integers = std::vector<int64_t>;

bool refused(const std::string& hardware, int bits, const OnnxRequest& request,
             const std::vector<std::string>& parts) {
    const TemporaryFolder folder;
    const QuantizedModel& model = model_on(hardware, bits);
    const bool ok = throws(ErrorKind::usage, parts,
                           [&] { save_onnx(folder.path("m.onnx"), model, lower(model), request); });
    return ok && folder.names().empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_export, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(qdq_for_onnxruntime_has_every_input_behind_a_dequantizer) {
    const Exported file = exported("onnxruntime", 8, "onnxruntime");
    BOOST_TEST(file.summary.opset == 13);
    BOOST_TEST(file.summary.ir_version == 7);
    BOOST_TEST(file.summary.checked);
    BOOST_TEST(file.summary.nodes == file.model.graph().node_size());
    BOOST_TEST(file.model.opset_import_size() == 1);
    BOOST_TEST(file.model.metadata_props(0).value() == "small");
    BOOST_TEST(file.count("Conv") == 6u);
    for (const char* op : {"Conv", "Gemm", "Add"}) {
        for (const auto& node : file.all(op)) {
            for (const auto& input : node.input()) {
                BOOST_TEST(file.op_of(input) == "DequantizeLinear", node.name());
            }
        }
    }
    // Pooling and flattening stand between pairs of one grid.
    const std::map<std::string, std::string> layers{
        {"MaxPool", "maxpool"}, {"GlobalAveragePool", "avgpool"}, {"Flatten", "flatten"}};
    for (const auto& [op, layer] : layers) {
        const auto node = file.all(op).at(0);
        const auto before = file.producer.at(node.input(0));
        const auto behind = file.producer.at(layer + ".quantizer.codes");
        BOOST_TEST(before.op_type() == "DequantizeLinear", op);
        BOOST_TEST(behind.op_type() == "QuantizeLinear", op);
        BOOST_TEST(behind.input(0) == node.output(0), op);
        BOOST_TEST(behind.input(1) == before.input(1), op);
        BOOST_TEST(behind.input(2) == before.input(2), op);
    }
    BOOST_TEST(file.count("Clip") == 0u);
    BOOST_TEST(file.model.graph().output(0).name() == "logits");
    const auto& dims = file.model.graph().input(0).type().tensor_type().shape();
    BOOST_TEST(dims.dim(0).dim_param() == "N");
    BOOST_TEST(dims.dim(1).dim_value() == 1);
    BOOST_TEST(dims.dim(3).dim_value() == 12);
}

BOOST_AUTO_TEST_CASE(weights_are_turned_and_biases_have_the_accumulators_scale) {
    const Exported file = exported("onnxruntime", 8, "onnxruntime");
    const Program program = lower(model_on("onnxruntime", 8));
    const Instruction& i = instruction(program, "block2.conv1");
    const auto want = i.constants.at("weight").to_vector<int8_t>();  // O KH KW I
    const auto got = file.values<int8_t>("block2.conv1.weight");
    BOOST_TEST((file.dims("block2.conv1.weight") == Integers{16, 8, 3, 3}));
    BOOST_TEST(file.type("block2.conv1.weight") == onnx::TensorProto::INT8);
    int wrong = 0;
    for (int o = 0; o < 16; ++o)
        for (int c = 0; c < 8; ++c)
            for (int k = 0; k < 9; ++k)
                wrong += got[(o * 8 + c) * 9 + k] != want[(o * 9 + k) * 8 + c];
    BOOST_TEST(wrong == 0);

    const auto conv = file.producer.at("block2.conv1");
    const auto weight = file.producer.at(conv.input(1)), bias = file.producer.at(conv.input(2));
    BOOST_TEST(integer(weight, "axis") == 0);
    BOOST_TEST(integer(bias, "axis") == 0);
    BOOST_TEST(bias.input_size() == 2);  // int32 has no zero point
    BOOST_TEST(file.type(bias.input(0)) == onnx::TensorProto::INT32);
    BOOST_TEST(file.values<int32_t>(bias.input(0)) == i.constants.at("bias").to_vector<int32_t>());
    const auto scale = file.values<float>(bias.input(1));
    const auto weight_scale = file.values<float>(weight.input(1));
    const float input_scale = file.values<float>(file.producer.at(conv.input(0)).input(1)).at(0);
    BOOST_REQUIRE(scale.size() == 16u);
    for (size_t o = 0; o < 16; ++o) BOOST_TEST(scale[o] == input_scale * weight_scale[o]);
    BOOST_TEST(file.dims(file.producer.at(conv.input(0)).input(1)).empty());  // a scalar
}

BOOST_AUTO_TEST_CASE(attributes_are_those_of_the_layers) {
    for (const char* form : {"qdq", "qoperator"}) {
        const Exported file = exported("onnxruntime", 8, "onnxruntime", form);
        const bool codes = std::string(form) == "qoperator";
        const auto conv = file.producer.at(codes ? "block2.relu1.quantizer.codes" : "block2.conv1");
        BOOST_TEST(conv.op_type() == (codes ? "QLinearConv" : "Conv"));
        BOOST_TEST((integers(conv, "strides") == Integers{2, 2}));
        BOOST_TEST((integers(conv, "pads") == Integers{1, 1, 1, 1}));
        BOOST_TEST((integers(conv, "kernel_shape") == Integers{3, 3}));
        BOOST_TEST(integer(conv, "group") == 1);
        const auto pool = file.all("MaxPool").at(0);
        BOOST_TEST((integers(pool, "kernel_shape") == Integers{3, 3}));
        BOOST_TEST((integers(pool, "strides") == Integers{2, 2}));
        BOOST_TEST((integers(pool, "pads") == Integers{1, 1, 1, 1}));
        const auto gemm = file.producer.at("logits");
        BOOST_TEST(gemm.op_type() == (codes ? "QGemm" : "Gemm"));
        BOOST_TEST(integer(gemm, "transB") == 1);
        BOOST_TEST(integer(file.all("Flatten").at(0), "axis") == 1);
    }
}

BOOST_AUTO_TEST_CASE(four_bits_are_packed_and_clamped) {
    const Exported file = exported("onnxruntime", 4, "onnxruntime");
    BOOST_TEST(file.summary.opset == 21);
    BOOST_TEST(file.summary.ir_version == 10);
    BOOST_TEST(!file.summary.checked);  // libonnx's checker is older
    const std::string name = "block1.conv1.weight";
    BOOST_TEST(file.type(name) == 22);  // INT4
    BOOST_TEST(file.type("conv1.weight") == onnx::TensorProto::INT8);
    const auto bytes = file.values<uint8_t>(name);
    BOOST_TEST(bytes.size() == 8u * 8 * 9 / 2);
    const Program program = lower(model_on("onnxruntime", 4));
    const auto want =
        instruction(program, "block1.conv1").constants.at("weight").to_vector<int8_t>();
    int wrong = 0;
    for (int o = 0; o < 8; ++o)
        for (int c = 0; c < 8; ++c)
            for (int k = 0; k < 9; ++k) {
                const int e = (o * 8 + c) * 9 + k;
                const int nibble = bytes[e / 2] >> (e % 2 * 4) & 15;  // the first in the low half
                wrong += (nibble > 7 ? nibble - 16 : nibble) != want[(o * 9 + k) * 8 + c];
            }
    BOOST_TEST(wrong == 0);

    const auto clip = file.producer.at("block1.relu1.quantizer.codes");
    BOOST_TEST(clip.op_type() == "Clip");
    BOOST_TEST(file.op_of(clip.input(0)) == "QuantizeLinear");
    BOOST_TEST(file.type(clip.input(1)) == onnx::TensorProto::UINT8);
    BOOST_TEST(file.values<uint8_t>(clip.input(1)).at(0) == 0);
    BOOST_TEST(file.values<uint8_t>(clip.input(2)).at(0) == 15);
    BOOST_TEST(file.op_of("input.quantizer.codes") == "QuantizeLinear");  // 8 bits fill the type
    // 2 bits stay in 8-bit types.
    const Exported two = exported("onnxruntime", 2, "onnxruntime");
    BOOST_TEST(two.summary.opset == 13);
    BOOST_TEST(two.type(name) == onnx::TensorProto::INT8);
}

BOOST_AUTO_TEST_CASE(tensorrt_has_int8_zero_points_of_0_and_float_biases) {
    const Exported file = exported("tensorrt", 8, "tensorrt");
    for (const auto& [name, tensor] : file.tensors) {
        BOOST_TEST(tensor.data_type() != onnx::TensorProto::UINT8, name);
        BOOST_TEST(tensor.data_type() != onnx::TensorProto::INT32, name);
        if (name.find(".zero_point") == std::string::npos) continue;
        for (const int8_t z : file.values<int8_t>(name)) BOOST_TEST(z == 0, name);
    }
    for (const auto& conv : file.all("Conv")) {
        BOOST_TEST(file.type(conv.input(2)) == onnx::TensorProto::FLOAT, conv.name());
        BOOST_TEST(file.op_of(conv.input(1)) == "DequantizeLinear");
    }
    // Only the shortcut of a sum is quantized, and ReLU stands between the sum and its quantizer.
    const auto add = file.producer.at("block1.add");
    BOOST_TEST(file.op_of(add.input(0)) == "Conv");
    BOOST_TEST(file.op_of(add.input(1)) == "DequantizeLinear");
    BOOST_TEST(file.producer.at("block1.relu2.quantizer.codes").input(0) == "block1.relu2");
    BOOST_TEST(file.op_of("block1.relu2") == "Relu");
    BOOST_TEST(file.count("Clip") == 0u);
}

// TensorRT's INT4 is only for the weights of matrix products.
BOOST_AUTO_TEST_CASE(tensorrt_keeps_four_bit_weights_in_int8) {
    Recipe recipe;
    recipe.hardware = "tensorrt";
    recipe.weight_bits = 4;
    recipe.activation_bits = 8;
    const QuantizedModel model = small_quantized(recipe);
    const TemporaryFolder folder;
    Exported file;
    save_onnx(folder.path("m.onnx"), model, lower(model), {"tensorrt", "qdq", {}});
    file.read(folder.path("m.onnx"));
    BOOST_TEST(file.type("block1.conv1.weight") == onnx::TensorProto::INT8);
    for (const int8_t q : file.values<int8_t>("block1.conv1.weight"))
        BOOST_TEST((q >= -8 && q <= 7));
    save_onnx(folder.path("o.onnx"), model, lower(model), {"openvino", "qdq", {}});
    file.read(folder.path("o.onnx"));
    BOOST_TEST(file.type("block1.conv1.weight") == 22);  // INT4
}

BOOST_AUTO_TEST_CASE(openvino_has_float_biases_on_their_grid) {
    const Exported file = exported("onnxruntime", 8, "openvino");
    const Program program = lower(model_on("onnxruntime", 8));
    const Instruction& i = instruction(program, "conv1");
    const auto codes = i.constants.at("bias").to_vector<int32_t>();
    const auto conv = file.producer.at("conv1");
    const auto bias = file.values<float>(conv.input(2));
    const auto weight_scale = file.values<float>(file.producer.at(conv.input(1)).input(1));
    const float input_scale = file.values<float>(file.producer.at(conv.input(0)).input(1)).at(0);
    for (size_t o = 0; o < bias.size(); ++o) {
        BOOST_TEST(bias[o] == input_scale * weight_scale[o] * static_cast<float>(codes[o]));
    }
    BOOST_TEST(file.type(conv.input(2)) == onnx::TensorProto::FLOAT);
}

BOOST_AUTO_TEST_CASE(qoperator_works_on_codes) {
    const Exported file = exported("onnxruntime", 8, "onnxruntime", "qoperator");
    BOOST_TEST(file.count("QLinearConv") == 6u);
    BOOST_TEST(file.count("QLinearAdd") == 2u);
    BOOST_TEST(file.count("QLinearGlobalAveragePool") == 1u);
    BOOST_TEST(file.count("QGemm") == 1u);
    BOOST_TEST(integer(file.all("QLinearGlobalAveragePool").at(0), "channels_last") == 0);
    BOOST_TEST(file.count("QuantizeLinear") == 1u);
    BOOST_TEST(file.count("DequantizeLinear") == 0u);
    BOOST_TEST(file.summary.checked);
    BOOST_REQUIRE(file.model.opset_import_size() == 2);
    BOOST_TEST(file.model.opset_import(1).domain() == "com.microsoft");
    BOOST_TEST(file.model.opset_import(1).version() == 1);
    const auto conv = file.all("QLinearConv").at(1);
    BOOST_TEST(conv.input_size() == 9);
    BOOST_TEST(conv.input(0) == "maxpool.quantizer.codes");
    BOOST_TEST(file.type(conv.input(3)) == onnx::TensorProto::INT8);
    BOOST_TEST(file.dims(conv.input(4)) == Integers{8});
    BOOST_TEST(file.type(conv.input(8)) == onnx::TensorProto::INT32);
    const auto add = file.all("QLinearAdd").at(0);
    BOOST_TEST(add.domain() == "com.microsoft");
    BOOST_TEST(add.input_size() == 8);
    BOOST_TEST(file.producer.at("logits").input_size() == 7);  // no grid: floats come out
    // Four bits are clamped codes; their weights stay in int8, which QLinearConv takes.
    const Exported four = exported("onnxruntime", 4, "onnxruntime", "qoperator");
    BOOST_TEST(four.summary.opset == 13);
    const auto clip = four.producer.at("block1.relu1.quantizer.codes");
    BOOST_TEST(clip.op_type() == "Clip");
    BOOST_TEST(four.op_of(clip.input(0)) == "QLinearConv");
    BOOST_TEST(four.values<uint8_t>(clip.input(2)).at(0) == 15);
}

// s8 with a zero point: ReLU clamps the codes from below.
BOOST_AUTO_TEST_CASE(qoperator_clamps_where_the_type_does_not) {
    const Exported file = exported("tensorrt", 8, "onnxruntime");
    BOOST_TEST(file.count("Relu") == 5u);
    const Exported codes = exported("tvm", 8, "onnxruntime", "qoperator");
    const auto clip = codes.producer.at("relu.quantizer.codes");
    BOOST_TEST(clip.op_type() == "Clip");
    BOOST_TEST(codes.values<int8_t>(clip.input(1)).at(0) == 0);
    BOOST_TEST(codes.values<int8_t>(clip.input(2)).at(0) == 127);
}

BOOST_AUTO_TEST_CASE(qonnx_has_quantizers_of_any_width) {
    const Exported file = exported("onnxruntime", 3, "qonnx");
    BOOST_TEST(file.summary.opset == 13);
    BOOST_TEST(file.model.opset_import(1).domain() == "qonnx.custom_op.general");
    BOOST_TEST(file.count("QuantizeLinear") + file.count("DequantizeLinear") == 0u);
    const auto weight = file.producer.at(file.producer.at("block1.conv1").input(1));
    BOOST_TEST(weight.op_type() == "IntQuant");
    BOOST_TEST(weight.domain() == "qonnx.custom_op.general");
    BOOST_TEST(weight.input(0) == "block1.conv1.weight");
    BOOST_TEST(file.type(weight.input(0)) == onnx::TensorProto::FLOAT);
    BOOST_TEST((file.dims(weight.input(1)) == Integers{8, 1, 1, 1}));
    BOOST_TEST(file.values<float>(weight.input(3)).at(0) == 3.0f);
    BOOST_TEST(integer(weight, "signed") == 1);
    BOOST_TEST(integer(weight, "narrow") == 1);
    BOOST_TEST(attribute(weight, "rounding_mode").s() == "ROUND");
    const auto relu = file.producer.at("block1.relu1.quantizer");
    BOOST_TEST(integer(relu, "signed") == 0);
    BOOST_TEST(integer(relu, "narrow") == 0);
    BOOST_TEST(file.dims(relu.input(1)).empty());
    // Its floats are on the grid: rounding gives the same codes again.
    const auto w = file.values<float>(weight.input(0)), s = file.values<float>(weight.input(1));
    for (size_t e = 0; e < w.size(); ++e) {
        const float code = w[e] / s[e / 72];
        BOOST_TEST(std::fabs(code - std::nearbyint(code)) < 1e-6f);
        BOOST_TEST(std::fabs(code) < 3.001f);
    }
}

BOOST_AUTO_TEST_CASE(a_float_network_is_written_with_its_batch_norm) {
    const TemporaryFolder folder;
    const Graph network = small_network();
    save_float_onnx(folder.path("f.onnx"), network, {});
    Exported file;
    file.read(folder.path("f.onnx"));
    BOOST_TEST(file.count("Conv") == 6u);
    BOOST_TEST(file.count("BatchNormalization") == 6u);
    BOOST_TEST(file.count("QuantizeLinear") == 0u);
    const auto norm = file.producer.at("bn1");
    BOOST_TEST(attribute(norm, "epsilon").f() == 1e-5f);
    BOOST_TEST(norm.input(3) == "bn1.running_mean");
    BOOST_TEST(norm.input(4) == "bn1.running_var");
    const int id = network.find("fc.weight");
    BOOST_TEST(file.values<float>("fc.weight") ==
               network.node(id).parameter->value.to_vector<float>());
    BOOST_TEST(throws(ErrorKind::usage, {"float network", "--form"}, [&] {
        save_float_onnx(folder.path("g.onnx"), network, {"onnxruntime", "qoperator", {}});
    }));
}

// Channels are axis 1 in a file, so flattened pixels are transposed first to match the network.
BOOST_AUTO_TEST_CASE(joined_averaged_and_flattened_pixels_lie_as_in_the_network) {
    for (const bool counted : {true, false}) {
        GraphBuilder g({12, 12, 1}, Rng(1));
        const int conv = g.conv2d("conv", g.input(), 1, 4, 3, square_conv(1, 1));
        const int x = g.relu("relu", g.batch_norm("bn", conv, 4, 1e-3f));
        const int y = g.average_pool2d("pool", x, {2, 3, 1, 2, 1, 0, 0, 2, counted});
        const int flat = g.flatten("flatten", g.concat("join", {y, y}));
        const TemporaryFolder folder;
        save_float_onnx(folder.path("f.onnx"), g.finish(g.linear("fc", flat, 12 * 6 * 8, 3)), {});
        Exported file;
        file.read(folder.path("f.onnx"));
        BOOST_TEST(attribute(file.producer.at("bn"), "epsilon").f() == 1e-3f);
        const auto pool = file.producer.at("pool");
        BOOST_TEST(integer(pool, "count_include_pad") == counted);
        BOOST_TEST((integers(pool, "pads") == Integers{1, 0, 0, 2}));
        BOOST_TEST((integers(pool, "kernel_shape") == Integers{2, 3}));
        BOOST_TEST((integers(pool, "strides") == Integers{1, 2}));
        BOOST_TEST(integer(file.producer.at("join"), "axis") == 1);
        const auto turned = file.producer.at(file.producer.at("flatten").input(0));
        BOOST_TEST(turned.op_type() == "Transpose");
        BOOST_TEST((integers(turned, "perm") == Integers{0, 2, 3, 1}));
        BOOST_TEST(turned.input(0) == "join");
    }
}

// A ReLU6 whose quantizer reaches 8: the clamp ends at the code of 6.
BOOST_AUTO_TEST_CASE(relu6_is_a_clip_of_codes_for_onnxruntime) {
    GraphBuilder g({12, 12, 1}, Rng(1));
    int x = g.relu6("act1", g.conv2d("conv1", g.input(), 1, 4, 3, square_conv(1, 1)));
    x = g.relu6("act2", g.conv2d("conv2", x, 4, 4, 3, square_conv(1, 1)));
    x = g.flatten("flatten", g.global_average_pool("pool", x));
    const Graph network = g.finish(g.linear("fc", x, 4, 3));
    Recipe recipe;
    recipe.algorithm = "minmax";
    recipe.hardware = "onnxruntime";
    recipe.weight_bits = recipe.activation_bits = 8;
    QuantizedModel model = quantize(network, recipe);
    calibrate(model, [given = false]() mutable {
        return std::exchange(given, true) ? Tensor() : small_images(8);
    });
    for (const auto& q : model.quantizers) {
        if (q->name == "act1.quantizer") q->parameters[0]->value.data<float>()[0] = 8.0f / 255;
    }
    const TemporaryFolder folder;
    for (const char* target : {"onnxruntime", "openvino"}) {
        save_onnx(folder.path("m.onnx"), model, lower(model), {target, "qdq", {}});
        Exported file;
        file.read(folder.path("m.onnx"));
        const auto codes = file.producer.at("act1.quantizer.codes");
        if (target == std::string("openvino")) {
            BOOST_TEST(codes.op_type() == "QuantizeLinear");
            BOOST_TEST(file.op_of(codes.input(0)) == "Clip");
            continue;
        }
        BOOST_TEST(codes.op_type() == "Clip");
        BOOST_TEST(file.values<uint8_t>(codes.input(1)).at(0) == 0);
        BOOST_TEST(file.values<uint8_t>(codes.input(2)).at(0) == 191);  // 6 / (8 / 255) = 191.25
        const auto quantize = file.producer.at(codes.input(0));
        BOOST_TEST(file.op_of(quantize.input(0)) == "Conv");
    }
}

BOOST_AUTO_TEST_CASE(floats_alone_have_the_tensors_that_encodings_name) {
    const TemporaryFolder folder;
    const Exported file = exported("onnxruntime", 8, "float");
    BOOST_TEST(file.count("QuantizeLinear") + file.count("DequantizeLinear") == 0u);
    BOOST_TEST(file.count("Conv") == 6u);
    save_encodings(folder.path("e.json"), model_on("onnxruntime", 8));
    const auto json = nlohmann::json::parse(read_bytes(folder.path("e.json")));
    BOOST_TEST(json.at("activation_encodings").size() == 9u);
    BOOST_TEST(json.at("param_encodings").size() == 7u);
    for (const auto& [name, list] : json.at("activation_encodings").items()) {
        BOOST_TEST((name == "input" || file.producer.count(name)), name);
    }
    for (const auto& [name, list] : json.at("param_encodings").items()) {
        BOOST_TEST(file.tensors.count(name), name);
    }
}

BOOST_AUTO_TEST_CASE(what_a_target_cannot_express_is_refused) {
    BOOST_TEST(refused("onnxruntime", 8, {"tensorrt", "qdq", {}},
                       {"--target tensorrt: input.quantizer has unsigned codes", "--hardware"}));
    BOOST_TEST(refused("tflite", 8, {"tensorrt", "qdq", {}}, {"zero point", "symmetric"}));
    BOOST_TEST(refused("tensorrt", 4, {"tensorrt", "qdq", {}},
                       {"[-8, 7]", "[-128, 127]", "--activation-bits 8"}));
    BOOST_TEST(refused("fbgemm", 8, {"onnxruntime", "qdq", {}},
                       {"conv1.weight.quantizer", "zero point for each filter"}));
    BOOST_TEST(refused("tensorrt", 8, {"tensorrt", "qoperator", {}}, {"no operators on codes"}));
    BOOST_TEST(refused("tensorrt", 8, {"onnxruntime", "qoperator", {}},
                       {"conv1", "float bias", "--form qdq"}));
    BOOST_TEST(refused("academic", 8, {"onnxruntime", "qoperator", {}}, {"computes in float"}));
    BOOST_TEST(
        refused("onnxruntime", 8, {"ncnn", "qdq", {}}, {"no target is called ncnn", "qonnx"}));
}

BOOST_AUTO_TEST_CASE(every_row_is_written_for_qonnx_and_openvino) {
    for (const Hardware& row : hardware_table()) {
        for (const char* target : {"qonnx", "openvino"}) {
            const Exported file = exported(row.name, 8, target);
            BOOST_TEST(file.summary.checked, row.name << " for " << target);
            BOOST_TEST(file.count("Conv") == 6u);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_broken_file_is_seen) {
    const TemporaryFolder folder;
    BOOST_TEST(throws(ErrorKind::data, {"junk.onnx", "no ONNX model"},
                      [&] { read_onnx(folder.file("junk.onnx", "\xff\xff\xff")); }));
    BOOST_TEST(throws(ErrorKind::data, {"cannot read"}, [&] { read_onnx(folder.path("none")); }));
    const auto model = exported("onnxruntime", 8, "onnxruntime").model;
    onnx::GraphProto graph = model.graph();
    check_structure("m.onnx", graph);
    graph.mutable_node(5)->set_input(0, "nobody");
    BOOST_TEST(throws(ErrorKind::runtime, {"reads nobody"}, [&] { check_structure("m", graph); }));
    graph = model.graph();
    graph.mutable_node(5)->set_output(0, graph.node(4).output(0));
    BOOST_TEST(throws(ErrorKind::runtime, {"given twice"}, [&] { check_structure("m", graph); }));
    // The checker knows the operators: a Relu has one input.
    OnnxFile file("wrong");
    file.set_input("x", {-1, 1});
    file.set_output(file.add("Relu", "y", {"x", "x"}), {-1, 1});
    BOOST_TEST(throws(ErrorKind::runtime, {"onnx's checker refuses"},
                      [&] { file.save(folder.path("w.onnx"), {}); }));
}

BOOST_AUTO_TEST_SUITE_END()
