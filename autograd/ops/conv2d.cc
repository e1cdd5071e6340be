#include "tensor/kernels/conv2d.h"

#include <cstring>

#include "autograd/ops/convolution.h"
#include "autograd/ops/saved.h"

namespace gradus {

namespace {

// The codes of x, if the integer kernels can read them: one grid for the whole tensor.
const Affine* activation_codes(const Variable& x) {
    const bool codes = x.exact() && x.exact()->is_codes() && !x.exact()->terms[0].per_channel();
    return codes ? &x.exact()->terms[0] : nullptr;
}

// The codes of w: one grid, or one for each filter.
const Affine* weight_codes(const Variable& w) {
    if (!w.exact() || !w.exact()->is_codes()) return nullptr;
    const Affine& codes = w.exact()->terms[0];
    return !codes.per_channel() || codes.axis == 0 ? &codes : nullptr;
}

// f32(s_x s_w[c]) for every filter.
Tensor accumulator_scale(const Affine& x, const Affine& w, int64_t filters) {
    Tensor scale = Tensor::empty({filters});
    const float s_x = x.scale.data<float>()[0];
    for (int64_t o = 0; o < filters; ++o) {
        scale.data<float>()[o] = s_x * w.scale.data<float>()[w.per_channel() ? o : 0];
    }
    return scale;
}

// The bias as codes of the accumulator: nullptr if there is none or it is a float.
const int32_t* bias_codes(const char* op, const Variable& bias, const Tensor& scale) {
    if (!bias.exact()) return nullptr;
    const Affine& term = bias.exact()->terms[0];
    check(bias.exact()->terms.size() == 1 && !bias.exact()->clamped() && term.count == 1 &&
              term.codes.dtype() == DType::I32,
          op, ": an exact bias must be one term of int32 codes");
    for (int64_t o = 0; o < scale.numel(); ++o) {
        const float s = term.scale.data<float>()[term.per_channel() ? o : 0];
        check(s == scale.data<float>()[o], op,
              ": the scale of an exact bias must be s_x s_w; in channel ", o, " it is ", s,
              ", not ", scale.data<float>()[o]);
    }
    return term.codes.data<int32_t>();
}

ConvCodes conv_codes(const Affine& x, const Affine& w, const std::vector<int32_t>& w_zero_points,
                     const int32_t* bias, const Conv2dShape& shape, AccumulatorPolicy policy) {
    return {.x = x.codes.raw(),
            .x_signed = x.codes.dtype() == DType::I8,
            .x_zero_point = x.zero_point.data<int32_t>()[0],
            .w = w.codes.raw(),
            .w_signed = w.codes.dtype() == DType::I8,
            .w_zero_point = w_zero_points.data(),
            .bias = bias,
            .shape = shape,
            .policy = policy};
}

// One pass from accumulators to floats: y = f32(acc) scale + bias.
void run_real(const ConvCodes& conv, Device device, const float* scale, const float* bias,
              float* y) {
    const int64_t o = conv.shape.o;
    conv2d_codes(device, conv, IntegerKernel::fastest,
                 [=](int64_t row, int64_t rows, const int32_t* acc) {
                     for (int64_t r = 0; r < rows; ++r) {
                         float* to = y + (row + r) * o;
                         for (int64_t c = 0; c < o; ++c) {
                             to[c] = static_cast<float>(acc[r * o + c]) * scale[c];
                         }
                         for (int64_t c = 0; bias && c < o; ++c) to[c] += bias[c];
                     }
                 });
}

void run_accumulator(const ConvCodes& conv, Device device, int32_t* y) {
    const int64_t o = conv.shape.o;
    conv2d_codes(device, conv, IntegerKernel::fastest,
                 [=](int64_t row, int64_t rows, const int32_t* acc) {
                     std::memcpy(y + row * o, acc, rows * o * sizeof(int32_t));
                 });
}

Variable forward_codes(const char* op, const Affine& x, const Affine& w, const Variable& bias,
                       const Conv2dShape& shape, const Shape& y_shape, CodesOutput output,
                       AccumulatorPolicy policy) {
    const Device device = x.codes.device();
    const Tensor scale = accumulator_scale(x, w, shape.o);
    std::vector<int32_t> zero_points = w.zero_point.to_vector<int32_t>();
    zero_points.resize(shape.o, zero_points[0]);
    const ConvCodes conv =
        conv_codes(x, w, zero_points, bias_codes(op, bias, scale), shape, policy);
    if (output == CodesOutput::real) {
        Tensor y = Tensor::empty(y_shape);
        const Tensor real_bias = bias.exact() ? Tensor() : bias.data();
        run_real(conv, device, scale.data<float>(),
                 real_bias.defined() ? real_bias.data<float>() : nullptr, y.data<float>());
        return Variable(y);
    }
    Affine acc{Tensor::empty(y_shape, DType::I32), scale, Tensor::zeros({1}, DType::I32)};
    acc.input_scale = x.scale;
    acc.weight_scale = w.scale;
    if (bias.defined() && !bias.exact()) acc.bias = bias.data();
    run_accumulator(conv, device, acc.codes.data<int32_t>());
    return Variable(Exact{{acc}});
}

Variable forward_float(const Variable& x, const Variable& w, const Variable& bias,
                       const Conv2dShape& shape, const Shape& y_shape) {
    const Tensor xs = x.data(), ws = w.data(), bs = bias.defined() ? bias.data() : Tensor();
    Tensor y = Tensor::empty(y_shape, DType::F32, xs.device());
    conv2d_forward(y.device(), xs.data<float>(), ws.data<float>(),
                   bs.defined() ? bs.data<float>() : nullptr, y.data<float>(), shape);
    return Variable(y);
}

Tensor input_gradient(const Variable& w, const Tensor& dy, const Conv2dShape& s,
                      const Shape& x_shape) {
    const Tensor ws = w.data();
    Tensor dx = Tensor::empty(x_shape, DType::F32, dy.device());
    conv2d_backward_input(dy.device(), dy.data<float>(), ws.data<float>(), dx.data<float>(), s);
    return dx;
}

Tensor weight_gradient(const Variable& x, const Tensor& dy, const Conv2dShape& s,
                       const Shape& w_shape) {
    Tensor dw = Tensor::empty(w_shape, DType::F32, dy.device());
    if (const Affine* a = activation_codes(x)) {
        const CodesOperand codes{a->codes.raw(), a->codes.dtype() == DType::I8,
                                 a->zero_point.data<int32_t>()[0], a->scale.data<float>()[0]};
        conv2d_backward_weight_codes(dy.device(), codes, dy.data<float>(), dw.data<float>(), s);
    } else {
        const Tensor xs = x.data();
        conv2d_backward_weight(dy.device(), xs.data<float>(), dy.data<float>(), dw.data<float>(),
                               s);
    }
    return dw;
}

Tensor bias_gradient(const Tensor& dy, const Conv2dShape& s) {
    Tensor dbias = Tensor::empty({s.o}, DType::F32, dy.device());
    conv2d_backward_bias(dy.device(), dy.data<float>(), dbias.data<float>(), s.n * s.oh * s.ow,
                         s.o);
    return dbias;
}

}  // namespace

Variable convolution(const char* op, const Variable& x, const Variable& w, const Variable& bias,
                     const Conv2dShape& shape, const Shape& y_shape, CodesOutput codes_output,
                     AccumulatorPolicy policy) {
    check(!bias.defined() || bias.shape() == Shape{shape.o}, op, ": bias must be [", shape.o,
          "], got ", bias.defined() ? bias.shape() : Shape());
    const Affine* x_codes = activation_codes(x);
    const Affine* w_codes = weight_codes(w);
    const Variable y = x_codes && w_codes ? forward_codes(op, *x_codes, *w_codes, bias, shape,
                                                          y_shape, codes_output, policy)
                                          : forward_float(x, w, bias, shape, y_shape);
    // If w needs no gradient, keep no reference to x.
    const Variable for_dw = w.requires_grad() ? saved_value(x) : Variable();
    const Variable for_dx = x.requires_grad() ? saved_value(w) : Variable();
    const bool wants_dbias = bias.requires_grad();
    return record(op, y, {x, w, bias},
                  [for_dw, for_dx, wants_dbias, shape, x_shape = x.shape(),
                   w_shape = w.shape()](const Tensor& dy) -> Grads {
                      return {
                          for_dx.defined() ? input_gradient(for_dx, dy, shape, x_shape) : Tensor(),
                          for_dw.defined() ? weight_gradient(for_dw, dy, shape, w_shape) : Tensor(),
                          wants_dbias ? bias_gradient(dy, shape) : Tensor()};
                  });
}

Variable conv2d(const Variable& x, const Variable& w, const Variable& bias,
                const Conv2dAttrs& attrs, CodesOutput codes_output, AccumulatorPolicy policy) {
    const Conv2dShape shape = conv2d_shape("conv2d", x.shape(), w.shape(), attrs);
    return convolution("conv2d", x, w, bias, shape, shape.output(), codes_output, policy);
}

}  // namespace gradus
