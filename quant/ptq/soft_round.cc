#include "quant/ptq/soft_round.h"

#include <vector>

#include "nn/operators.h"
#include "tensor/channel_layout.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t chunk = 1 << 14;

// The grid in the layout of an array of weights.
struct WeightGrid {
    ChannelLayout layout;
    const float* scale;
    const int32_t* zero_point;
    CodeBounds bounds;

    WeightGrid(const Quantizer& q, const Grid& grid, const Shape& shape)
        : layout(channel_layout(shape, q.format.channel_axis)),
          scale(grid.scale.data<float>()),
          zero_point(grid.zero_point.data<int32_t>()),
          bounds(bounds_of(grid, q.format)) {
        check(grid.scale.numel() == layout.channels && grid.zero_point.numel() == layout.channels,
              q.name, ": ", grid.scale.numel(), " scales do not fit ", shape);
    }
};

// Calls body(channel, begin, end) for runs of elements that share a scale.
template <class Body>
void for_each_stretch(const ChannelLayout& layout, const Body& body) {
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    parallel_tasks(layout.outer * layout.channels * pieces, [&](int64_t task) {
        const int64_t row = task / pieces;
        const int64_t begin = row * layout.inner + task % pieces * chunk;
        body(row % layout.channels, begin, std::min((row + 1) * layout.inner, begin + chunk));
    });
}

// sum of term(i) over [0, n), in double, in an order that depends only on n.
template <class Term>
double sum_in_chunks(int64_t n, const Term& term) {
    std::vector<double> partial((n + chunk - 1) / chunk, 0.0);
    parallel_chunks(n, chunk, [&](int64_t begin, int64_t end) {
        double sum = 0.0;
        for (int64_t i = begin; i < end; ++i) sum += term(i);
        partial[begin / chunk] = sum;
    });
    double total = 0.0;
    for (double sum : partial) total += sum;
    return total;
}

Tensor scalar(double value) {
    return Tensor::full({1}, static_cast<float>(value));
}

Tensor scaled(const Tensor& x, float factor) {
    Tensor y = Tensor::empty(x.shape());
    const float* in = x.data<float>();
    float* out = y.data<float>();
    parallel_chunks(x.numel(), chunk, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = factor * in[i];
    });
    return y;
}

}  // namespace

Variable soft_round(const Quantizer& q, const Grid& grid, const Variable& w_variable,
                    const Variable& v_variable) {
    const Tensor w = w_variable.data(), v = v_variable.data();
    const WeightGrid on(q, grid, w.shape());
    Tensor y = Tensor::empty(w.shape()), slope = Tensor::empty(w.shape());
    const float *wp = w.data<float>(), *vp = v.data<float>();
    float *yp = y.data<float>(), *sp = slope.data<float>();
    const float qmin = static_cast<float>(on.bounds.lo), qmax = static_cast<float>(on.bounds.hi);
    for_each_stretch(on.layout, [&](int64_t channel, int64_t begin, int64_t end) {
        const float s = on.scale[channel], z = static_cast<float>(on.zero_point[channel]);
        for (int64_t i = begin; i < end; ++i) {
            const auto piece = soft_round_value(wp[i], s, vp[i], z, qmin, qmax);
            yp[i] = piece.value;
            sp[i] = piece.slope;
        }
    });
    return record("soft_round", Variable(y), {w_variable, v_variable},
                  [slope](const Tensor& dy) -> Grads {
                      Tensor dv = Tensor::empty(slope.shape());
                      const float *a = slope.data<float>(), *b = dy.data<float>();
                      float* out = dv.data<float>();
                      parallel_chunks(dv.numel(), chunk, [&](int64_t begin, int64_t end) {
                          for (int64_t i = begin; i < end; ++i) out[i] = a[i] * b[i];
                      });
                      return {Tensor(), dv};
                  });
}

Variable rounding_penalty(const Variable& v_variable, float strength, float beta) {
    const Tensor v = v_variable.data();
    Tensor slope = Tensor::empty(v.shape());
    const float* vp = v.data<float>();
    float* sp = slope.data<float>();
    const double sum = sum_in_chunks(v.numel(), [&](int64_t i) {
        const auto piece = rounding_penalty_value(vp[i], beta);
        sp[i] = strength * piece.slope;
        return static_cast<double>(piece.value);
    });
    return record(
        "rounding_penalty", Variable(scalar(strength * sum)), {v_variable},
        [slope](const Tensor& dy) -> Grads { return {scaled(slope, dy.data<float>()[0])}; });
}

Tensor first_roundings(const Quantizer& q, const Grid& grid, const Tensor& w) {
    const WeightGrid on(q, grid, w.shape());
    Tensor v = Tensor::empty(w.shape());
    const float* wp = w.data<float>();
    float* vp = v.data<float>();
    for_each_stretch(on.layout, [&](int64_t channel, int64_t begin, int64_t end) {
        const float s = on.scale[channel];
        for (int64_t i = begin; i < end; ++i) {
            vp[i] = first_rounding(wp[i] / s - integer_below(wp[i], s));
        }
    });
    return v;
}

Affine learned_codes(const Quantizer& q, const Grid& grid, const Tensor& w, const Tensor& v) {
    const WeightGrid on(q, grid, w.shape());
    Affine result{Tensor::empty(w.shape(), DType::I32), grid.scale, grid.zero_point,
                  q.format.channel_axis};
    const float *wp = w.data<float>(), *vp = v.data<float>();
    int32_t* codes = result.codes.data<int32_t>();
    for_each_stretch(on.layout, [&](int64_t channel, int64_t begin, int64_t end) {
        const float s = on.scale[channel];
        const int32_t z = on.zero_point[channel];
        for (int64_t i = begin; i < end; ++i) {
            codes[i] = learned_code(wp[i], s, vp[i] >= 0.0f, z, on.bounds.lo, on.bounds.hi);
        }
    });
    return result;
}

Variable drop_rounding(const Variable& x, const Variable& x_hat, float keep, const Rng& rng) {
    const Tensor a = x.data(), b = x_hat.data();
    Tensor y = Tensor::empty(a.shape());
    const float *ap = a.data<float>(), *bp = b.data<float>();
    float* yp = y.data<float>();
    parallel_chunks(a.numel(), chunk, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) yp[i] = rng.uniform(i) < keep ? bp[i] : ap[i];
    });
    return record("drop_rounding", Variable(y), {x, x_hat}, [keep, rng](const Tensor& dy) -> Grads {
        Tensor dx = Tensor::empty(dy.shape()), dx_hat = Tensor::empty(dy.shape());
        const float* d = dy.data<float>();
        float *to_x = dx.data<float>(), *to_hat = dx_hat.data<float>();
        parallel_chunks(dy.numel(), chunk, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const bool kept = rng.uniform(i) < keep;
                to_x[i] = kept ? 0.0f : d[i];
                to_hat[i] = kept ? d[i] : 0.0f;
            }
        });
        return {dx, dx_hat};
    });
}

Variable reconstruction_loss(const Variable& y_variable, const Tensor& target) {
    const Tensor y = y_variable.data();
    check(y.shape() == target.shape(), "reconstruction_loss: shapes ", y.shape(), " and ",
          target.shape());
    Tensor slope = Tensor::empty(y.shape());
    const float *yp = y.data<float>(), *tp = target.data<float>();
    float* sp = slope.data<float>();
    const double rows = static_cast<double>(y.numel() / y.shape()[-1]);
    const float factor = static_cast<float>(2.0 / rows);
    const double sum = sum_in_chunks(y.numel(), [&](int64_t i) {
        const float error = yp[i] - tp[i];
        sp[i] = factor * error;
        return double{error} * error;
    });
    return record(
        "reconstruction_loss", Variable(scalar(sum / rows)), {y_variable},
        [slope](const Tensor& dy) -> Grads { return {scaled(slope, dy.data<float>()[0])}; });
}

namespace {

using Inputs = std::vector<Variable>;

// inputs: w, v. The payload is the weight's quantizer.
Variable run_soft_round(const OpContext& context, const Inputs& in) {
    const auto* q = dynamic_cast<const Quantizer*>(context.node.payload.get());
    check(q != nullptr, context.node.name, ": this node needs a quantizer");
    return soft_round(*q, q->grid(), in[0], in[1]);
}

// inputs: x, x_hat.
Variable run_drop_rounding(const OpContext& context, const Inputs& in) {
    const auto keep = static_cast<float>(context.node.attributes.real("keep"));
    return drop_rounding(in[0], in[1], keep, context.rng);
}

const OperatorEntry soft_round_entry{{"soft_round", run_soft_round, "rounded"}};
const OperatorEntry drop_rounding_entry{{"drop_rounding", run_drop_rounding, "exact"}};

}  // namespace

}  // namespace gradus
