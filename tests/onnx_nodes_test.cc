// ONNX's own node vectors for QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger,
// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear, from Debian's libonnx-testdata,
// matched exactly. Files hold NCHW and OIHW.
#include <onnx/onnx_pb.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <numeric>

#include "quant/calibration.h"
#include "quant/requantize.h"
#include "tensor/channel_layout.h"
#include "tensor/kernels/conv2d_codes.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

const std::string kNodes = "/usr/share/libonnx-testdata/data/node/";

template <class Message>
Message parse(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    check_kind(file.good(), ErrorKind::data, "cannot read ", path,
               "; scripts/setup.sh installs it (libonnx-testdata), make ONNX=0 goes without");
    Message message;
    check_kind(message.ParseFromIstream(&file), ErrorKind::data, path, ": not a protobuf message");
    return message;
}

// One vector: a graph of one node with its inputs and outputs.
struct NodeVector {
    onnx::NodeProto node;
    std::vector<onnx::TensorProto> inputs, outputs;

    explicit NodeVector(const std::string& name) {
        const auto model = parse<onnx::ModelProto>(kNodes + name + "/model.onnx");
        BOOST_REQUIRE(model.graph().node_size() == 1);
        node = model.graph().node(0);
        const std::string data = kNodes + name + "/test_data_set_0/";
        for (int i = 0; i < node.input_size(); ++i) {
            inputs.push_back(parse<onnx::TensorProto>(join(data, "input_", i, ".pb")));
        }
        for (int i = 0; i < node.output_size(); ++i) {
            outputs.push_back(parse<onnx::TensorProto>(join(data, "output_", i, ".pb")));
        }
    }

    std::vector<int64_t> integers(const std::string& attribute, std::vector<int64_t> other) const {
        for (const auto& a : node.attribute()) {
            if (a.name() == attribute) return {a.ints().begin(), a.ints().end()};
        }
        return other;
    }
    int64_t integer(const std::string& attribute, int64_t other) const {
        for (const auto& a : node.attribute()) {
            if (a.name() == attribute) return a.i();
        }
        return other;
    }
};

Shape shape_of(const onnx::TensorProto& tensor) {
    return Shape(std::vector<int64_t>(tensor.dims().begin(), tensor.dims().end()));
}

// The elements; T is the type of raw_data, which every file of the set uses.
template <class T>
std::vector<T> values(const onnx::TensorProto& tensor, int onnx_type) {
    BOOST_REQUIRE(tensor.data_type() == onnx_type);
    BOOST_REQUIRE(tensor.raw_data().size() == shape_of(tensor).numel() * sizeof(T));
    std::vector<T> result(shape_of(tensor).numel());
    std::memcpy(result.data(), tensor.raw_data().data(), tensor.raw_data().size());
    return result;
}
std::vector<float> floats(const onnx::TensorProto& t) {
    return values<float>(t, onnx::TensorProto::FLOAT);
}
std::vector<uint8_t> bytes(const onnx::TensorProto& t) {
    return values<uint8_t>(t, onnx::TensorProto::UINT8);
}

// [A, C, H, W] -> [A, H, W, C]: images and filters alike.
template <class T>
std::vector<T> channels_last(const std::vector<T>& x, const Shape& s) {
    std::vector<T> y;
    for (int64_t a = 0; a < s[0]; ++a)
        for (int64_t h = 0; h < s[2]; ++h)
            for (int64_t w = 0; w < s[3]; ++w)
                for (int64_t c = 0; c < s[1]; ++c)
                    y.push_back(x[((a * s[1] + c) * s[2] + h) * s[3] + w]);
    return y;
}
Shape channels_last(const Shape& s) {
    return {s[0], s[2], s[3], s[1]};
}

Conv2dAttrs conv_attrs(const NodeVector& vector) {
    const auto stride = vector.integers("strides", {1, 1});
    const auto pad = vector.integers("pads", {0, 0, 0, 0});
    BOOST_REQUIRE(vector.integers("dilations", {1, 1}) == (std::vector<int64_t>{1, 1}));
    return {stride[0], stride[1], pad[0], pad[1], pad[2], pad[3], vector.integer("group", 1)};
}

// x * w with their zero points, in NHWC, by one kernel.
struct Convolution {
    std::vector<uint8_t> x, w;
    std::vector<int32_t> w_zero_point;
    ConvCodes conv{};

    Convolution(const NodeVector& vector, const onnx::TensorProto& images, int32_t zero,
                const onnx::TensorProto& filters, int32_t filter_zero)
        : x(channels_last(bytes(images), shape_of(images))),
          w(channels_last(bytes(filters), shape_of(filters))),
          w_zero_point(shape_of(filters)[0], filter_zero) {
        const Shape x_shape = channels_last(shape_of(images));
        const Shape w_shape = channels_last(shape_of(filters));
        conv.x = x.data();
        conv.x_zero_point = zero;
        conv.w = w.data();
        if (filter_zero != 0) conv.w_zero_point = w_zero_point.data();
        conv.shape = conv2d_shape("onnx", x_shape, w_shape, conv_attrs(vector));
    }

    std::vector<int32_t> run(IntegerKernel kernel) const {
        std::vector<int32_t> y(conv.shape.output().numel());
        conv2d_codes(Device::cpu(), conv, kernel,
                     [&](int64_t row, int64_t rows, const int32_t* acc) {
                         std::copy_n(acc, rows * conv.shape.o, y.data() + row * conv.shape.o);
                     });
        return y;
    }
};

void check_conv_integer(const std::string& name) {
    const NodeVector vector(name);
    BOOST_REQUIRE(vector.node.op_type() == "ConvInteger");
    const auto& in = vector.inputs;
    const Convolution convolution(vector, in[0], bytes(in[2]).at(0), in[1], 0);
    const Shape shape = shape_of(vector.outputs[0]);
    BOOST_TEST(convolution.conv.shape.output() == channels_last(shape));
    const auto want =
        channels_last(values<int32_t>(vector.outputs[0], onnx::TensorProto::INT32), shape);
    for (const IntegerKernel kernel : integer_kernels()) {
        const auto got = convolution.run(kernel);
        BOOST_TEST(got == want, name << " on " << integer_kernel_name(kernel));
    }
}

// The layout around the axis of the scales.
ChannelLayout layout_of(const NodeVector& vector) {
    const bool one = shape_of(vector.inputs[1]).numel() == 1;
    const int axis = one ? -1 : static_cast<int>(vector.integer("axis", 1));
    return channel_layout(shape_of(vector.inputs[0]), axis);
}

void check_quantize(const std::string& name) {
    const NodeVector vector(name);
    BOOST_REQUIRE(vector.node.op_type() == "QuantizeLinear");
    const auto x = floats(vector.inputs[0]), scale = floats(vector.inputs[1]);
    const auto zero = bytes(vector.inputs[2]), want = bytes(vector.outputs[0]);
    const ChannelLayout layout = layout_of(vector);
    std::vector<uint8_t> got;
    for (int64_t i = 0; i < layout.numel(); ++i) {
        const int64_t c = i / layout.inner % layout.channels;
        got.push_back(static_cast<uint8_t>(quantize_value(x[i], scale[c], zero[c], 0, 255)));
    }
    BOOST_TEST(got == want, name);
}

void check_dequantize(const std::string& name) {
    const NodeVector vector(name);
    BOOST_REQUIRE(vector.node.op_type() == "DequantizeLinear");
    const auto x = bytes(vector.inputs[0]), zero = bytes(vector.inputs[2]);
    const auto scale = floats(vector.inputs[1]), want = floats(vector.outputs[0]);
    const ChannelLayout layout = layout_of(vector);
    std::vector<float> got;
    for (int64_t i = 0; i < layout.numel(); ++i) {
        const int64_t c = i / layout.inner % layout.channels;
        got.push_back(affine_value(x[i], zero[c], scale[c]));
    }
    BOOST_TEST(got == want, name);
}

// A scale and a zero point from the range of the values, as calibration takes them, then codes.
void check_dynamic_quantize(const std::string& name) {
    const NodeVector vector(name);
    BOOST_REQUIRE(vector.node.op_type() == "DynamicQuantizeLinear");
    const QuantFormat format{.bits = 8, .is_signed = false, .symmetric = false};
    const auto x = floats(vector.inputs[0]);
    const auto [least, most] = std::minmax_element(x.begin(), x.end());
    const ScaleAndZero grid = scale_from_range(*least, *most, format);
    BOOST_TEST(grid.scale == floats(vector.outputs[1]).at(0), name);
    BOOST_TEST(grid.zero_point == bytes(vector.outputs[2]).at(0), name);
    std::vector<uint8_t> got;
    for (const float v : x) {
        got.push_back(static_cast<uint8_t>(quantize_value(v, grid.scale, grid.zero_point, 0, 255)));
    }
    BOOST_TEST(got == bytes(vector.outputs[0]), name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_nodes, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(qlinearconv) {
    const NodeVector vector("test_qlinearconv");
    BOOST_REQUIRE(vector.node.op_type() == "QLinearConv");
    const auto& in = vector.inputs;  // x s_x z_x w s_w z_w s_y z_y
    const Convolution convolution(vector, in[0], bytes(in[2]).at(0), in[3], bytes(in[5]).at(0));
    const float multiplier = floats(in[1]).at(0) * floats(in[4]).at(0) / floats(in[6]).at(0);
    const int32_t zero = bytes(in[7]).at(0);
    const auto want = channels_last(bytes(vector.outputs[0]), shape_of(vector.outputs[0]));
    for (const IntegerKernel kernel : integer_kernels()) {
        std::vector<uint8_t> got;
        for (const int32_t acc : convolution.run(kernel)) {
            got.push_back(static_cast<uint8_t>(r1_requantize(acc, multiplier, zero, 0, 255)));
        }
        BOOST_TEST(got == want, integer_kernel_name(kernel));
    }
}

BOOST_AUTO_TEST_CASE(conv_integer) {
    check_conv_integer("test_basic_convinteger");
    check_conv_integer("test_convinteger_with_padding");
    check_conv_integer("test_convinteger_without_padding");
}

BOOST_AUTO_TEST_CASE(quantize_linear) {
    check_quantize("test_quantizelinear");
    check_quantize("test_quantizelinear_axis");
}

BOOST_AUTO_TEST_CASE(dequantize_linear) {
    check_dequantize("test_dequantizelinear");
    check_dequantize("test_dequantizelinear_axis");
}

BOOST_AUTO_TEST_CASE(dynamic_quantize_linear) {
    check_dynamic_quantize("test_dynamicquantizelinear");
    check_dynamic_quantize("test_dynamicquantizelinear_max_adjusted");
    check_dynamic_quantize("test_dynamicquantizelinear_min_adjusted");
}

// A product of matrices [..., rows, k] x [..., k, columns] as one convolution of one pixel for each
// row: filters are the columns.
std::vector<int32_t> accumulators(const onnx::TensorProto& a, int32_t a_zero,
                                  const onnx::TensorProto& b, int32_t b_zero) {
    const Shape a_shape = shape_of(a), b_shape = shape_of(b);
    const int64_t k = a_shape[-1], rows = a_shape[-2], columns = b_shape[-1];
    const std::vector<uint8_t> x = bytes(a), y = bytes(b);
    const std::vector<int32_t> zeros(columns, b_zero);
    std::vector<int32_t> result;
    for (int64_t batch = 0; batch < a_shape.numel() / (rows * k); ++batch) {
        std::vector<uint8_t> filters;
        for (int64_t o = 0; o < columns; ++o) {
            for (int64_t i = 0; i < k; ++i) {
                filters.push_back(y[batch * k * columns + i * columns + o]);
            }
        }
        ConvCodes conv{};
        conv.x = x.data() + batch * rows * k;
        conv.x_zero_point = a_zero;
        conv.w = filters.data();
        conv.w_zero_point = zeros.data();
        conv.shape = conv2d_shape("matmul", {rows, 1, 1, k}, {columns, 1, 1, k}, {});
        std::vector<int32_t> product(rows * columns);
        conv2d_codes(Device::cpu(), conv, IntegerKernel::fastest,
                     [&](int64_t row, int64_t n, const int32_t* acc) {
                         std::copy_n(acc, n * columns, product.data() + row * columns);
                     });
        result.insert(result.end(), product.begin(), product.end());
    }
    return result;
}

BOOST_AUTO_TEST_CASE(matmul_integer) {
    const NodeVector vector("test_matmulinteger");
    const auto& in = vector.inputs;
    const auto want = values<int32_t>(vector.outputs[0], onnx::TensorProto::INT32);
    const auto got = accumulators(in[0], bytes(in[2]).at(0), in[1], bytes(in[3]).at(0));
    BOOST_TEST(got == want);
}

BOOST_AUTO_TEST_CASE(qlinearmatmul) {
    for (const char* name : {"test_qlinearmatmul_2D", "test_qlinearmatmul_3D"}) {
        const NodeVector vector(name);
        const auto& in = vector.inputs;  // a s_a z_a b s_b z_b s_y z_y
        const float multiplier = floats(in[1]).at(0) * floats(in[4]).at(0) / floats(in[6]).at(0);
        std::vector<uint8_t> got;
        for (const int32_t acc :
             accumulators(in[0], bytes(in[2]).at(0), in[3], bytes(in[5]).at(0))) {
            got.push_back(
                static_cast<uint8_t>(r1_requantize(acc, multiplier, bytes(in[7]).at(0), 0, 255)));
        }
        BOOST_TEST(got == bytes(vector.outputs[0]), name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
