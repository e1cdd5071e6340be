#include "integer/error_bounds.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "integer/rule_constants.h"
#include "nn/node_attributes.h"
#include "nn/operators.h"
#include "quant/rule_error.h"
#include "tensor/affine.h"
#include "tensor/kernels/average_pool.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr float kSlack = 1.001f;  // for sums computed in float here

// Operators that do not enlarge a difference act on bounds as on values.
const std::set<std::string> kPassing{"relu", "relu6", "max_pool2d", "flatten", "dropout", "concat"};

Tensor run_on(const Node& node, const std::vector<Variable>& inputs) {
    return find_operator(node.op).run({node, false, Rng(0)}, inputs).data();
}

// f(i) for every element.
template <class F>
Tensor map(const Shape& shape, const F& f) {
    Tensor result = Tensor::empty(shape);
    float* y = result.data<float>();
    for_each_cpu(shape.numel(), [&](int64_t i) { y[i] = static_cast<float>(f(i)); });
    return result;
}

Tensor magnitudes(const Variable& v) {
    const Tensor values = v.data();
    return map(values.shape(), [x = values.data<float>()](int64_t i) { return std::fabs(x[i]); });
}

float at(const Tensor& t, int64_t i) {
    return t.defined() ? t.data<float>()[t.numel() == 1 ? 0 : i] : 0.0f;
}

bool none(const std::vector<Bounded>& inputs) {
    return std::none_of(inputs.begin(), inputs.end(),
                        [](const Bounded& x) { return x.bound.defined(); });
}

// The numbers of pixels averaged; windows at the edges of an image may have fewer.
std::vector<int32_t> pixel_counts(const Node& node, const Shape& x) {
    if (node.op == "global_average_pool") return {static_cast<int32_t>(x[1] * x[2])};
    return average_pool_counts(pool_shape(node.name.c_str(), x, pool_attrs(node.attributes)));
}

int32_t attribute(const Instruction& i, const char* name) {
    return static_cast<int32_t>(i.attributes.integer(name));
}

// w' - s_w (w_q - z_w)| if it exceeds the rounding of the float view; else undefined.
Tensor weight_differences(const Tensor& w, const Instruction& i, const Tensor& scale) {
    const Tensor& codes = i.constants.at("weight");
    const auto zero_points = i.constants.find("weight_zero_point");
    const int64_t length = codes.numel() / codes.shape()[0];
    const CodeReader q(codes);
    Tensor difference = Tensor::zeros(w.shape());
    bool any = false;
    for (int64_t e = 0; e < w.numel(); ++e) {
        const int64_t c = e / length;
        int32_t z = 0;
        if (zero_points != i.constants.end()) {
            const Tensor& all = zero_points->second;
            z = all.data<int32_t>()[all.numel() == 1 ? 0 : c];
        }
        const double exact = double{at(scale, c)} * (q[e] - z);
        const double d = std::fabs(w.data<float>()[e] - exact);
        difference.data<float>()[e] = static_cast<float>(d);
        any = any || d > kUnitRoundoff * std::fabs(exact);
    }
    return any ? difference : Tensor();
}

// |b - s_x s_w b_q|, for every filter.
std::vector<double> bias_differences(const Tensor& bias, const Instruction& i, double input_scale,
                                     const Tensor& weight_scale, int64_t channels) {
    std::vector<double> differences(channels, 0.0);
    const auto codes = i.constants.find("bias");
    if (codes == i.constants.end()) return differences;
    for (int64_t c = 0; c < channels; ++c) {
        const double step = input_scale * at(weight_scale, c);
        differences[c] = std::fabs(at(bias, c) - step * codes->second.data<int32_t>()[c]);
    }
    return differences;
}

// The error that a layer's own rule adds, in real units; a real output is rounded to float. Unknown
// if a float multiplier has overflowed or lost bits.
class RuleBound {
  public:
    RuleBound(const Instruction& i, const std::optional<RegisterGrid>& output, int64_t channels)
        : constants_(channels) {
        for (const char* name : {"scale", "multiplier"}) {
            if (i.constants.count(name)) multipliers_ = i.constants.at(name);
        }
        if (!i.attributes.has("rule")) return;
        rule_ = rule_of<RequantizeRule>(i);
        constants_ = load_constants(i, channels);
        step_ = output->scale;
        y_ = {output->scale, output->zero_point, attribute(i, "qmin"), attribute(i, "qmax")};
    }
    double operator()(int64_t channel, double mass) const {
        if (multipliers_.defined() && !std::isnormal(at(multipliers_, channel))) return INFINITY;
        return step_ * requantize_error(rule_, constants_[channel], y_, mass / step_);
    }

  private:
    RequantizeRule rule_ = RequantizeRule::none;
    std::vector<RequantizeConstants> constants_;
    Tensor multipliers_;  // f32, one for each channel; undefined for integer rules
    double step_ = 1.0;
    OutputGrid y_{1.0f, 0, 0, 0};
};

}  // namespace

ErrorBounds::ErrorBounds(const QuantizedModel& model, const Program& program)
    : model_(model), grids_(register_grids(model, program)) {
    for (const Instruction& i : program.instructions) instructions_[i.name] = &i;
}

const Instruction* ErrorBounds::instruction(const std::string& name) const {
    const auto found = instructions_.find(name);
    return found == instructions_.end() ? nullptr : found->second;
}

Tensor ErrorBounds::of(const Node& node, const std::vector<Bounded>& inputs,
                       const Variable& output) const {
    if (node.op == "conv2d" || node.op == "linear") return weighted(node, inputs);
    if (node.op == "add") return sum(node, inputs);
    if (node.op == "global_average_pool" || node.op == "average_pool2d") {
        return average(node, inputs);
    }
    if (node.op == "quantize" || node.op == "requantize_average") return rescaled(node, inputs[0]);
    if (none(inputs)) return Tensor();
    if (node.op == "batch_norm") return normalised(node, inputs);
    if (!kPassing.count(node.op)) return Tensor::full(output.shape(), INFINITY);
    std::vector<Variable> bounds;
    for (const Bounded& x : inputs) {
        bounds.push_back(Variable(x.bound.defined() ? x.bound : Tensor::zeros(x.value.shape())));
    }
    return run_on(node, bounds);
}

Tensor ErrorBounds::weighted(const Node& node, const std::vector<Bounded>& inputs) const {
    const Tensor w = inputs[1].value.data();
    const Tensor x = magnitudes(inputs[0].value), absolute_w = magnitudes(inputs[1].value);
    const Tensor bias = inputs.size() > 2 ? inputs[2].value.data() : Tensor();
    const auto sums_of = [&](const Tensor& a, const Tensor& b) {
        return a.defined() && b.defined() ? run_on(node, {Variable(a), Variable(b)}) : Tensor();
    };
    const Tensor mass = sums_of(x, absolute_w);
    const Tensor carried = sums_of(inputs[0].bound, absolute_w);
    const int64_t channels = w.shape()[0];
    const double sums = (static_cast<double>(w.numel() / channels) + 4) * kUnitRoundoff;
    const Instruction* i = instruction(node.name);
    if (!i || i->is_float) {  // floats on both sides
        return map(mass.shape(), [&](int64_t e) {
            const double all = at(mass, e) + std::fabs(at(bias, e % channels));
            return kSlack * (2 * sums * all + at(carried, e));
        });
    }
    // The bound assumes exact sums, so nothing is proven for one that may saturate.
    if (accumulator_policy(i->attributes) != AccumulatorPolicy::exact) {
        return Tensor::full(mass.shape(), INFINITY);
    }
    const Quantizer& q = *weight_quantizer(model_, node.name);
    const Tensor scale = q.grid().scale;
    const Tensor off = sums_of(x, weight_differences(w, *i, scale));
    const double input_scale = grids_[i->inputs[0]]->scale;
    const std::vector<double> off_bias = bias_differences(bias, *i, input_scale, scale, channels);
    const RuleBound rule(*i, grids_[i->output], channels);
    return map(mass.shape(), [&](int64_t e) {
        const int64_t c = e % channels;
        const double all = at(mass, e) + std::fabs(at(bias, c)) + off_bias[c];
        return kSlack * (sums * all + off_bias[c] + rule(c, all) + at(carried, e) + at(off, e));
    });
}

Tensor ErrorBounds::sum(const Node& node, const std::vector<Bounded>& inputs) const {
    const Tensor a = inputs[0].value.data(), b = inputs[1].value.data();
    const Instruction* i = instruction(node.name);
    if (!i || i->is_float) {
        return map(a.shape(), [&](int64_t e) {
            const double mass = std::fabs(at(a, e)) + std::fabs(at(b, e));
            return kSlack *
                   (at(inputs[0].bound, e) + at(inputs[1].bound, e) + 8 * kUnitRoundoff * mass);
        });
    }
    AddConstants k = load_add_constants(*i);
    k.a.scale = grids_[i->inputs[0]]->scale;
    k.b.scale = grids_[i->inputs[1]]->scale;
    k.y.scale = grids_[i->output]->scale;
    const auto rule = rule_of<AddRule>(*i);
    return map(a.shape(), [&](int64_t e) {
        const double x = std::fabs(at(a, e)) / k.a.scale, y = std::fabs(at(b, e)) / k.b.scale;
        const double floats = 4 * kUnitRoundoff * (std::fabs(at(a, e)) + std::fabs(at(b, e)));
        return kSlack *
               (k.y.scale * add_error(rule, k, round_half_even(x), round_half_even(y)) + floats);
    });
}

Tensor ErrorBounds::average(const Node& node, const std::vector<Bounded>& inputs) const {
    const Tensor mass = run_on(node, {Variable(magnitudes(inputs[0].value))});
    const std::vector<int32_t> counts = pixel_counts(node, inputs[0].value.shape());
    const double sums = (*std::max_element(counts.begin(), counts.end()) + 4) * kUnitRoundoff;
    const Instruction* i = instruction(node.name);
    if (!i || i->is_float) {
        const Tensor carried =
            inputs[0].bound.defined() ? run_on(node, {Variable(inputs[0].bound)}) : Tensor();
        return map(mass.shape(),
                   [&](int64_t e) { return kSlack * (2 * sums * at(mass, e) + at(carried, e)); });
    }
    const RegisterGrid& grid = *grids_[i->output];
    const auto rule = rule_of<PoolRule>(*i);
    const auto of_rule = [&](double average) {
        double error = 0.0;
        for (const int32_t n : std::set<int32_t>(counts.begin(), counts.end())) {
            const AverageConstants k = average_constants(rule, grid.scale, n);
            error = std::max(error, average_error(rule, k, n, grid.zero_point, average));
        }
        return error;
    };
    return map(mass.shape(), [&](int64_t e) {
        return kSlack * (sums * at(mass, e) + grid.scale * of_rule(at(mass, e) / grid.scale));
    });
}

// A quantizer that rescales codes to its own grid by the hardware's rule adds the rule's error.
Tensor ErrorBounds::rescaled(const Node& node, const Bounded& x) const {
    const Instruction* i = instruction(node.name);
    if (!i || i->op != "requantize") return x.bound;
    const RuleBound rule(*i, grids_[i->output], 1);
    const Tensor values = x.value.data();
    return map(values.shape(), [&](int64_t e) {
        const double mass = std::fabs(at(values, e));
        return kSlack * (rule(0, mass) + 4 * kUnitRoundoff * mass + at(x.bound, e));
    });
}

// gamma (x - mean) / sqrt(variance + eps) + beta in floats on both sides.
Tensor ErrorBounds::normalised(const Node& node, const std::vector<Bounded>& inputs) const {
    const Tensor x = inputs[0].value.data();
    const int64_t channels = x.shape()[-1];
    const auto value = [&](size_t position, int64_t c) {
        return double{at(inputs[position].value.data(), c)};
    };
    const double eps = node.attributes.real("eps");
    return map(x.shape(), [&](int64_t e) {
        const int64_t c = e % channels;
        const double gain = std::fabs(value(1, c)) / std::sqrt(value(4, c) + eps);
        const double mass =
            gain * (std::fabs(at(x, e)) + std::fabs(value(3, c))) + std::fabs(value(2, c));
        return kSlack * (gain * at(inputs[0].bound, e) + 32 * kUnitRoundoff * mass);
    });
}

}  // namespace gradus
