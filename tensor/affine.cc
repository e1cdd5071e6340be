#include "tensor/affine.h"

#include "tensor/channel_layout.h"
#include "tensor/kernels/dequantize.h"

namespace gradus {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

DequantizeTerm term_of(const Affine& value) {
    const Shape& shape = value.shape();
    DequantizeTerm term{value.codes.raw(),
                        value.codes.dtype(),
                        value.scale.data<float>(),
                        value.zero_point.data<int32_t>(),
                        value.zero_point.numel() == 1,
                        1,
                        1,
                        shape.numel(),
                        static_cast<float>(value.count)};
    check(value.zero_point.numel() == 1 || value.zero_point.numel() == value.scale.numel(),
          "dequantize: ", value.scale.numel(), " scales need one zero point or as many, got ",
          value.zero_point.numel());
    if (!value.per_channel()) return term;
    const int axis = value.axis < 0 ? value.axis + shape.rank() : value.axis;
    check(axis >= 0 && axis < shape.rank() && shape[axis] == value.scale.numel(),
          "dequantize: ", value.scale.numel(), " scales do not fit axis ", value.axis, " of ",
          shape);
    const ChannelLayout layout = channel_layout(shape, axis);
    term.outer = layout.outer;
    term.channels = layout.channels;
    term.inner = layout.inner;
    return term;
}

// A float bias as a term: every code is one above the zero point.
Affine bias_term(const Affine& value) {
    const Tensor zeros = Tensor::zeros(value.shape(), DType::I32, value.codes.device());
    return {zeros, value.bias, Tensor::from<int32_t>({-1}, {1}).to(value.codes.device())};
}

// Sets y to the term with its bias, or adds it to y; then clamps.
void add_term(const Affine& term, bool accumulate, float lower, float upper, Tensor& y) {
    float* out = y.data<float>();
    if (!term.bias.defined()) {
        return dequantize_term(y.device(), term_of(term), accumulate, lower, upper, out);
    }
    const Affine bias = bias_term(term);
    dequantize_term(y.device(), term_of(term), accumulate, -infinity, infinity, out);
    dequantize_term(y.device(), term_of(bias), true, lower, upper, out);
}

}  // namespace

Tensor dequantize(const Affine& value) {
    Tensor y = Tensor::empty(value.shape(), DType::F32, value.codes.device());
    add_term(value, false, -infinity, infinity, y);
    return y;
}

Tensor dequantize(const Exact& value) {
    check(!value.terms.empty(), "dequantize: an exact value without terms");
    Tensor y = Tensor::empty(value.shape(), DType::F32, value.terms[0].codes.device());
    for (size_t i = 0; i < value.terms.size(); ++i) {
        const bool last = i + 1 == value.terms.size();
        check(value.terms[i].shape() == value.shape(), "dequantize: terms of shapes ",
              value.shape(), " and ", value.terms[i].shape(), " cannot be added");
        add_term(value.terms[i], i > 0, last ? value.lower : -infinity,
                 last ? value.upper : infinity, y);
    }
    return y;
}

}  // namespace gradus
