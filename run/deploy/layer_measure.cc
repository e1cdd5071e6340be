#include "run/deploy/layer_measure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "nn/executor.h"
#include "quant/placement.h"
#include "run/console_table.h"
#include "tensor/affine.h"

namespace gradus {

namespace {

// Returns `text` without the suffix `end`; unchanged if it has another.
std::string without_end(const std::string& text, const std::string& end) {
    const bool has =
        text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
    return has ? text.substr(0, text.size() - end.size()) : text;
}

void add_noise(LayerMeasure& layer, const Tensor& reference, const Tensor& output) {
    if (reference.numel() != output.numel()) return;
    const float* x = reference.data<float>();
    const auto add = [&](const auto& value_at) {
        for (int64_t e = 0; e < output.numel(); ++e) {
            const double difference = double{value_at(e)} - double{x[e]};
            layer.signal += double{x[e]} * double{x[e]};
            layer.noise += difference * difference;
        }
    };
    if (output.dtype() == DType::F32) {
        const float* y = output.data<float>();
        return add([=](int64_t e) { return y[e]; });
    }
    const CodeReader q(output);
    const RegisterGrid& grid = *layer.grid;
    add([&](int64_t e) { return affine_value(q[e], grid.zero_point, grid.scale); });
}

void count_codes(LayerMeasure& layer, const Tensor& codes) {
    layer.codes += codes.numel();
    if (!layer.clamps) return;
    const CodeReader q(codes);
    const CodeBounds bounds = layer.grid->bounds;
    for (int64_t e = 0; e < codes.numel(); ++e) {
        layer.at_low += q[e] == bounds.lo;
        layer.at_high += q[e] == bounds.hi;
    }
}

}  // namespace

int LayerMeasure::accumulator_bits() const {
    const int64_t furthest =
        std::max(std::abs(int64_t{least_accumulator}), std::abs(int64_t{largest_accumulator}));
    int bits = 0;
    while (furthest >> bits != 0) ++bits;
    return bits;
}

std::optional<double> LayerMeasure::sqnr() const {
    if (signal == 0 && noise == 0) return std::nullopt;
    return noise == 0 ? INFINITY : 10 * std::log10(signal / noise);
}

Measurement::Measurement(const QuantizedModel& model, const Program& program, const Graph& network)
    : model_(model), network_(network), comparison_(model, program), writer_(program.registers) {
    const auto grids = register_grids(model, program);
    for (const Instruction& i : program.instructions) {
        LayerMeasure layer;
        layer.layer = i.name;
        layer.op = i.op;
        layer.quantizer = i.quantizer;
        layer.grid = grids[i.output];
        layer.clamps = layer.grid && i.attributes.has("lo");
        layer.rule = rule_report(i, 0);
        layer.float_node = float_place(i);
        writer_[i.output] = layers_.size();
        layers_.push_back(layer);
    }
    for (const AccumulatorBound& bound : accumulator_bounds(program)) {
        for (LayerMeasure& layer : layers_) {
            if (layer.layer == bound.layer && layer.op != "requantize") layer.bound = bound;
        }
    }
}

// Returns the node of the float network that the codes approximate: the node that the quantizer
// follows, or the input of the layer that it precedes; else the node of the same name, or the batch
// norm folded into it.
std::string Measurement::float_place(const Instruction& i) const {
    const std::string place = without_end(i.quantizer, ".quantizer");
    if (!place.empty() && network_.find(place) >= 0) return place;
    if (!place.empty()) {
        const int layer = network_.find(without_end(place, ".input"));
        return layer < 0 ? "" : network_.node(network_.node(layer).inputs[0]).name;
    }
    const int id = network_.find(i.name);
    if (id < 0) return "";
    const bool folds = model_.folding() != Folding::none && i.op == "conv2d";
    const int norm = folds ? following_batch_norm(network_, id) : -1;
    return network_.node(norm >= 0 ? norm : id).name;
}

BatchOutcome Measurement::add(const Tensor& images, IntegerKernel kernel) {
    floats_.clear();
    for (const LayerMeasure& layer : layers_) floats_[layer.float_node];
    execute(network_, images, RunMode{}, [&](const Node& node, const Variable& value) {
        const auto wanted = floats_.find(node.name);
        if (wanted != floats_.end()) wanted->second = value.data();
        if (node.name == network_.node(network_.output()).name) float_logits_ = value.data();
    });
    const Watch watch{[&](const Instruction& i, const Tensor& sums) { see_accumulators(i, sums); },
                      [&](const Instruction& i, const std::vector<Tensor>& inputs,
                          const Tensor& output) { see_step(i, inputs, output); }};
    return comparison_.add(images, kernel, watch);
}

std::optional<LayerComparison> Measurement::compared(const LayerMeasure& layer) const {
    for (const LayerComparison& candidate : comparison_.layers()) {
        if (!layer.quantizer.empty() && candidate.quantizer == layer.quantizer) return candidate;
    }
    return std::nullopt;
}

void Measurement::see_accumulators(const Instruction& i, const Tensor& sums) {
    LayerMeasure& layer = layers_[writer_[i.output]];
    const int32_t* acc = sums.data<int32_t>();
    const auto [least, largest] = std::minmax_element(acc, acc + sums.numel());
    const bool first = layer.accumulators == 0;
    layer.least_accumulator = first ? *least : std::min(layer.least_accumulator, *least);
    layer.largest_accumulator = first ? *largest : std::max(layer.largest_accumulator, *largest);
    layer.accumulators += sums.numel();
    sums_ = sums;
}

void Measurement::count_saturated(LayerMeasure& layer, const Instruction& i,
                                  const std::vector<Tensor>& inputs) const {
    Instruction exact = i;
    exact.attributes = Attributes();
    for (const auto& [name, value] : i.attributes.values()) {
        if (name != "accumulator_policy") exact.attributes.set(name, value);
    }
    execute(exact, inputs, IntegerKernel::fastest, [&](const Instruction&, const Tensor& sums) {
        const int32_t *a = sums.data<int32_t>(), *b = sums_.data<int32_t>();
        for (int64_t e = 0; e < sums.numel(); ++e) layer.saturated += a[e] != b[e];
    });
}

std::optional<Measurement::Saturation> Measurement::saturation() const {
    if (model_.recipe.accumulator == AccumulatorPolicy::exact) return std::nullopt;
    Saturation found;
    for (const LayerMeasure& m : layers_) {
        if (!m.bound) continue;
        found.changed += m.saturated;
        found.all += m.accumulators;
        if (!found.worst || m.saturated > found.worst->saturated) found.worst = &m;
    }
    return found;
}

std::string Measurement::saturation_note() const {
    const std::optional<Saturation> found = saturation();
    if (!found) return "";
    std::string note =
        join("note: ", accumulator_name(model_.recipe.accumulator), " changed ",
             count_text(found->changed), " of ", count_text(found->all), " accumulators");
    if (found->changed > 0) {
        note += join(", most in ", found->worst->layer, ": ", count_text(found->worst->saturated),
                     " of ", count_text(found->worst->accumulators));
    }
    return note;
}

void Measurement::see_step(const Instruction& i, const std::vector<Tensor>& inputs,
                           const Tensor& output) {
    LayerMeasure& layer = layers_[writer_[i.output]];
    if (i.op == "global_average_pool" && !i.is_float) {
        layer.rule = rule_report(i, inputs[0].shape()[1] * inputs[0].shape()[2]);
    }
    if (i.attributes.has("accumulator_policy")) count_saturated(layer, i, inputs);
    if (layer.grid) count_codes(layer, output);
    const auto reference = floats_.find(layer.float_node);
    if (!layer.float_node.empty() && reference->second.defined()) {
        add_noise(layer, reference->second, output);
    }
}

}  // namespace gradus
