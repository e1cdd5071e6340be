// The operators that round: quantize, quantize_bias, requantize_average. Their rows join the
// operator table; each is a straight-through node of the tape.
#include "nn/operators.h"

#include "autograd/ops.h"
#include "nn/node_attributes.h"
#include "quant/bias_fit.h"
#include "quant/numerics.h"
#include "quant/quantizer.h"
#include "quant/requantize_exact.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

using Inputs = std::vector<Variable>;

Quantizer& quantizer_of(const Node& node) {
    auto* quantizer = dynamic_cast<Quantizer*>(node.payload.get());
    check(quantizer != nullptr, node.name, ": this node needs a quantizer");
    return *quantizer;
}

// Gives codes if the target's arithmetic is simulated, else floats.
Variable on_grid(const Quantizer& q, const Grid& grid, const Variable& x) {
    if (q.simulate == Simulate::qdq) return Variable(values_of(q, grid, x.data()));
    const bool by_rule = x.exact() && has_rule(*q.hardware, *x.exact());
    return Variable(Exact{{by_rule ? requantize(*q.hardware, *x.exact(), grid, q.format)
                                   : codes_of(q, grid, x.data())}});
}

// Updates the quantizer's parameters for its input.
void prepare_for(Quantizer& q, const Variable& x, bool training) {
    try {
        if (q.observing) {
            observe(q, x.data());
        } else if (q.algorithm->follow) {
            q.algorithm->follow(q, x.data(), training && !q.holding);
        }
    } catch (const Error& error) {
        fail(error.kind(), q.name, ": ", error.what());
    }
    if (q.algorithm->project) q.algorithm->project(q);
}

// The bias added to a layer's accumulators: its own, or the one computed from batch norm.
Tensor layer_bias(const Inputs& in) {
    if (in.size() == 1) return in[0].data();
    std::vector<Variable> v;
    for (const Variable& part : in) v.push_back(Variable(part.data()));
    return batch_norm_bias(v[0], v[1], v[2], v.size() > 3 ? v[3] : Variable()).data();
}

// inputs: x, then the quantizer's parameters; for weights with an int32 bias also that bias, or the
// inputs of batch_norm_bias.
Variable run_quantize(const OpContext& context, const Inputs& all) {
    Quantizer& q = quantizer_of(context.node);
    const auto own = all.begin() + 1 + static_cast<int64_t>(q.parameters.size());
    const Inputs in(all.begin(), own), bias(own, all.end());
    const Variable& x = in[0];
    prepare_for(q, x, context.training);
    if (!bias.empty()) {
        const float s_x = q.input->grid().scale.data<float>()[0];
        q.least_scale = least_weight_scales(q, x.shape(), layer_bias(bias), s_x);
    }
    const Grid grid = q.grid();
    // The tape keeps a float input, or the codes of an exact one.
    Variable value = x.exact() ? Variable(*x.exact()) : Variable(x.data());
    return record("quantize", on_grid(q, grid, x), in,
                  [payload = context.node.payload, &q, grid, value](const Tensor& dy) -> Grads {
                      QuantizerGrads grads = q.algorithm->backward(q, grid, value.data(), dy);
                      Grads result{grads.dx};
                      for (Tensor& d : grads.parameters) result.push_back(std::move(d));
                      result.resize(1 + q.parameters.size());  // kept ones get none
                      return result;
                  });
}

// inputs: bias [O], quantized weight. The accumulator's scale is f32(s_x s_w[c]), s_x being the
// scale of the activation quantizer in the payload. The bias is unchanged if weights are float
// (qdq) or the target adds it after the accumulator.
Variable run_quantize_bias(const OpContext& context, const Inputs& in) {
    const Quantizer& q = quantizer_of(context.node);
    const Exact* weight = in[1].exact();
    if (!weight || q.hardware->bias == BiasRule::real) return in[0];
    const Tensor bias = in[0].data();
    const Tensor& ws = weight->terms[0].scale;
    const float xs = q.grid().scale.data<float>()[0];
    Tensor scale = Tensor::empty(bias.shape());
    for (int64_t c = 0; c < bias.numel(); ++c) {
        scale.data<float>()[c] = xs * ws.data<float>()[ws.numel() == 1 ? 0 : c];
    }
    const Affine codes{bias_codes(q.hardware->bias, bias, scale), scale,
                       Tensor::zeros({1}, DType::I32), 0};
    return record("quantize_bias", Variable(Exact{{codes}}), {in[0], in[1]},
                  [](const Tensor& dy) -> Grads {
                      return {dy, Tensor()};
                  });
}

// inputs: the average of codes; for windows, whose average is a float, also the codes. Returns to
// the grid of the codes' quantizer.
Variable run_requantize_average(const OpContext& context, const Inputs& in) {
    const Quantizer& q = quantizer_of(context.node);
    const bool windows = in.size() > 1;
    const Exact* value = in.back().exact();
    const Grid grid = q.grid();
    const auto codes = [&] {
        const Affine& x = value->terms.at(0);
        if (!windows) return requantize_average(q.hardware->mean, x, grid, q.format);
        check(value->is_codes(), context.node.name, ": averages no codes");
        const PoolShape shape =
            pool_shape(context.node.name.c_str(), x.shape(), pool_attrs(context.node.attributes));
        return requantize_windows(q.hardware->window, x, shape, grid, q.format);
    };
    const Variable average =
        value ? Variable(Exact{{codes()}}) : Variable(values_of(q, grid, in[0].data()));
    return record("requantize_average", average, in, [windows](const Tensor& dy) -> Grads {
        return windows ? Grads{dy, Tensor()} : Grads{dy};
    });
}

const OperatorEntry quantize_entry{{"quantize", run_quantize, "exact"}};
const OperatorEntry quantize_bias_entry{{"quantize_bias", run_quantize_bias, "exact"}};
const OperatorEntry requantize_average_entry{
    {"requantize_average", run_requantize_average, "exact"}};

}  // namespace

}  // namespace gradus
