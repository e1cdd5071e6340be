#include "io/onnx_nodes.h"

#include "nn/node_attributes.h"

namespace gradus {

Tensor as_codes(const Tensor& integers, DType code_type, const Shape& shape) {
    Tensor codes = Tensor::empty(shape, code_type);
    auto* bytes = static_cast<uint8_t*>(codes.raw());
    for (int64_t i = 0; i < codes.numel(); ++i) {
        bytes[i] = static_cast<uint8_t>(integers.data<int32_t>()[integers.numel() == 1 ? 0 : i]);
    }
    return codes;
}

GridNames write_grid(OnnxFile& file, const std::string& name, const Tensor& scale,
                     const Tensor& zero_point, DType code_type) {
    const Shape shape = scale.numel() == 1 ? Shape{} : scale.shape();
    return {file.constant(name + ".scale", scale.reshape(shape)),
            file.constant(name + ".zero_point", as_codes(zero_point, code_type, shape))};
}

bool clips(const CodeBounds& bounds, DType code_type) {
    const bool is_signed = code_type == DType::I8;
    return bounds.lo > (is_signed ? -128 : 0) || bounds.hi < (is_signed ? 127 : 255);
}

std::string write_clip(OnnxFile& file, const std::string& raw, const std::string& codes,
                       const CodeBounds& bounds, DType code_type) {
    const auto bound = [&](const char* suffix, int32_t value) {
        const Tensor integer = Tensor::from(std::vector<int32_t>{value}, {1});
        return file.constant(codes + suffix, as_codes(integer, code_type, {}));
    };
    return file.add("Clip", codes, {raw, bound(".lo", bounds.lo), bound(".hi", bounds.hi)});
}

Attributes onnx_conv_attributes(const Attributes& attributes, const Shape& filters) {
    return {{"kernel_shape", std::vector<int64_t>{filters[1], filters[2]}},
            {"strides", attributes.integers("stride")},
            {"pads", attributes.integers("pad")},
            {"group", attributes.integer("groups")}};
}

Attributes onnx_pool_attributes(const Attributes& attributes) {
    return {{"kernel_shape", attributes.integers("kernel")},
            {"strides", attributes.integers("stride")},
            {"pads", attributes.integers("pad")}};
}

std::string write_flatten(OnnxFile& file, const std::string& x, const std::string& output,
                          bool is_one_pixel) {
    const std::string turned = is_one_pixel
                                   ? x
                                   : file.add("Transpose", output + ".channels_last", {x},
                                              {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    return file.add("Flatten", output, {turned}, {{"axis", int64_t{1}}});
}

}  // namespace gradus
