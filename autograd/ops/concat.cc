#include "tensor/kernels/concat.h"

#include <cstring>

#include "autograd/ops.h"

namespace gradus {

namespace {

bool same_bytes(const Tensor& a, const Tensor& b) {
    if (a.dtype() != b.dtype() || a.numel() != b.numel()) return false;
    const Tensor left = a.to(Device::cpu()), right = b.to(Device::cpu());
    return std::memcmp(left.raw(), right.raw(), left.bytes()) == 0;
}

bool share_one_grid(const std::vector<Variable>& inputs) {
    for (const Variable& input : inputs) {
        if (!input.exact() || !input.exact()->is_codes()) return false;
        const Affine& first = inputs[0].exact()->terms[0];
        const Affine& term = input.exact()->terms[0];
        if (term.per_channel() || term.codes.dtype() != first.codes.dtype()) return false;
        if (!same_bytes(term.scale, first.scale)) return false;
        if (!same_bytes(term.zero_point, first.zero_point)) return false;
    }
    return true;
}

Shape joined_shape(const std::vector<Variable>& inputs) {
    check(!inputs.empty() && inputs[0].shape().rank() >= 1, "concat: needs at least one input");
    std::vector<int64_t> extents = inputs[0].shape().extents();
    extents.back() = 0;
    for (const Variable& input : inputs) {
        std::vector<int64_t> other = input.shape().extents();
        const int64_t channels = other.empty() ? 0 : other.back();
        if (!other.empty()) other.back() = extents.back();
        check(other == extents, "concat: inputs may differ in channels only; got ",
              inputs[0].shape(), " and ", input.shape());
        extents.back() += channels;
    }
    return Shape(extents);
}

Tensor joined(const std::vector<Tensor>& parts, const Shape& shape) {
    const Tensor& first = parts[0];
    Tensor y = Tensor::empty(shape, first.dtype(), first.device());
    const int64_t element = static_cast<int64_t>(dtype_bytes(first.dtype()));
    const int64_t stride = shape[-1] * element;
    char* to = static_cast<char*>(y.raw());
    for (const Tensor& part : parts) {
        const int64_t bytes = part.shape()[-1] * element;
        copy_rows(y.device(), RowCopy{part.raw(), bytes, to, stride, bytes, y.numel() / shape[-1]});
        to += bytes;
    }
    return y;
}

Grads split(const Tensor& dy, const std::vector<Shape>& shapes) {
    Grads parts;
    const int64_t stride = dy.shape()[-1] * static_cast<int64_t>(sizeof(float));
    const char* from = static_cast<const char*>(dy.raw());
    for (const Shape& shape : shapes) {
        Tensor part = Tensor::empty(shape, DType::F32, dy.device());
        const int64_t bytes = shape[-1] * static_cast<int64_t>(sizeof(float));
        copy_rows(dy.device(),
                  RowCopy{from, stride, part.raw(), bytes, bytes, part.numel() / shape[-1]});
        parts.push_back(part);
        from += bytes;
    }
    return parts;
}

}  // namespace

Variable concat(const std::vector<Variable>& inputs) {
    const Shape shape = joined_shape(inputs);
    const bool codes = share_one_grid(inputs);
    std::vector<Tensor> parts;
    std::vector<Shape> shapes;
    for (const Variable& input : inputs) {
        parts.push_back(codes ? input.exact()->terms[0].codes : input.data());
        shapes.push_back(input.shape());
    }
    Variable y(joined(parts, shape));
    if (codes) {
        Affine value = inputs[0].exact()->terms[0];
        value.codes = y.data();
        y = Variable(Exact{{value}});
    }
    return record("concat", y, inputs, [shapes](const Tensor& dy) { return split(dy, shapes); });
}

}  // namespace gradus
