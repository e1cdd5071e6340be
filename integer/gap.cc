#include "integer/gap.h"

#include <algorithm>
#include <cmath>

#include "quant/rule_error.h"
#include "tensor/affine.h"

namespace gradus {

namespace {

const Quantizer& quantizer_of(const Node& node) {
    return dynamic_cast<const Quantizer&>(*node.payload);
}

// LSQ+ with a free zero point simulates a real offset, a different grid from the integers'.
bool on_another_grid(const Quantizer& q) {
    return q.free_zero_point && q.algorithm->real_offset;
}

// Distance from v to the nearest k + 1/2 that separates two codes of the clamp.
double distance_to_tie(double v, const CodeBounds& bounds) {
    if (bounds.lo >= bounds.hi) return INFINITY;
    return std::fabs(v - std::clamp(round_down(v) + 0.5, bounds.lo + 0.5, bounds.hi - 0.5));
}

Variable value_of_codes(const Quantizer& q, const Tensor& codes) {
    const Grid grid = q.grid();
    return Variable(Variable(Exact{{Affine{codes, grid.scale, grid.zero_point}}}).data());
}

}  // namespace

Gap::Gap(const QuantizedModel& model, const Program& program)
    : model_(model), program_(program), bounds_(model, program) {
    std::map<std::string, const Instruction*> by_quantizer;
    for (const Instruction& i : program.instructions) by_quantizer[i.quantizer] = &i;
    for (const Node& node : model.inference.nodes()) {
        const Instruction* i = nullptr;
        if (node.op == "quantize" && quantizer_of(node).role == Role::activation) {
            i = by_quantizer.at(node.name);
        } else if (node.op == "requantize_average") {
            i = bounds_.instruction(model.inference.node(node.inputs[0]).name);
        }
        if (!i) continue;
        places_[node.name] = {i, layers_.size(), {}};
        layers_.push_back({.layer = i->name, .op = i->op});
    }
}

Tensor Gap::add(const Tensor& images, IntegerKernel kernel) {
    const SimulateAs floats(model_, Simulate::qdq);
    const Tensor integer = run_integers(images, kernel);
    run_forced(images);
    const Tensor simulated = run_free(images);
    compare_logits(simulated, integer);
    images_ += images.shape()[0];
    return simulated;
}

Tensor Gap::run_integers(const Tensor& images, IntegerKernel kernel) {
    std::map<const Instruction*, Tensor> outputs;
    const Watch watch{.step = [&](const Instruction& i, const std::vector<Tensor>&,
                                  const Tensor& output) { outputs[&i] = output; }};
    const Tensor logits = execute(program_, images, kernel, nullptr, watch);
    for (auto& [node, place] : places_) place.codes = outputs.at(place.instruction);
    return logits;
}

// Values and their bounds are dropped after their last consumer.
void Gap::run_forced(const Tensor& images) {
    const Graph& graph = model_.inference;
    std::vector<Bounded> values(graph.nodes().size());
    std::map<int, int> left;  // remaining readers, by node
    for (const Node& node : graph.nodes()) {
        for (const int input : node.inputs) ++left[input];
    }
    std::vector<bool> unproven(images.shape()[0], false);
    size_t id = 0;
    execute(graph, images, RunMode{}, [&](const Node& node, Variable& value) {
        std::vector<Bounded> inputs;
        for (int input : node.inputs) inputs.push_back(input < 0 ? Bounded{} : values[input]);
        Tensor bound;
        if (node.kind == NodeKind::op) bound = bounds_.of(node, inputs, value);
        if (const auto found = places_.find(node.name); found != places_.end()) {
            certify(node, found->second, value, {inputs[0].value, bound}, unproven);
            value = value_of_codes(quantizer_of(node), found->second.codes);
            bound = Tensor();
        }
        values[id++] = {value, bound};
        for (const int input : node.inputs) {
            if (input >= 0 && --left[input] == 0) values[input] = {};
        }
    });
    images_proven_ += std::count(unproven.begin(), unproven.end(), false);
}

Tensor Gap::run_free(const Tensor& images) {
    const auto count = [&](const Node& node, const Variable& value) {
        const auto found = places_.find(node.name);
        if (found == places_.end()) return;
        const Place& place = found->second;
        count_different(place.codes, simulated_codes(node, value), layers_[place.layer].free);
    };
    return execute(model_.inference, images, RunMode{}, count).output.data();
}

// x: the value before rounding. Without a bound both sides round the same bits alike.
void Gap::certify(const Node& node, const Place& place, const Variable& value, const Bounded& x,
                  std::vector<bool>& unproven) {
    const Quantizer& q = quantizer_of(node);
    const Grid grid = q.grid();
    const double scale = grid.scale.data<float>()[0], z = grid.zero_point.data<int32_t>()[0];
    const Attributes& attributes = place.instruction->attributes;
    const CodeBounds bounds{static_cast<int32_t>(attributes.integer("lo")),
                            static_cast<int32_t>(attributes.integer("hi"))};
    const Tensor codes = simulated_codes(node, value), reals = x.value.data();
    const CodeReader integer(place.codes), simulated(codes);
    const int64_t image = codes.numel() / codes.shape()[0];
    LayerGap& layer = layers_[place.layer];
    for (int64_t e = 0; e < codes.numel(); ++e) {
        bool near = on_another_grid(q);
        if (x.bound.defined() && !near) {
            const double v = reals.data<float>()[e] / scale;
            const double error = x.bound.data<float>()[e] / scale + 4 * kUnitRoundoff * fabs(v);
            near = !(distance_to_tie(v + z, bounds) > error);
        }
        layer.near_tie += near;
        layer.proven_different += !near && integer[e] != simulated[e];
        if (near) unproven[e / image] = true;
    }
    layer.codes += codes.numel();
    count_different(place.codes, codes, layer.forced);
}

void Gap::compare_logits(const Tensor& simulated, const Tensor& integer) {
    const int64_t classes = integer.shape()[1];
    for (int64_t n = 0; n < integer.shape()[0]; ++n) {
        const float* x = simulated.data<float>() + n * classes;
        const float* y = integer.data<float>() + n * classes;
        predictions_different_ += argmax(x, classes) != argmax(y, classes);
        for (int64_t c = 0; c < classes; ++c) {
            largest_logit_difference_ = std::max(largest_logit_difference_, std::fabs(x[c] - y[c]));
        }
    }
}

LayerGap Gap::total() const {
    LayerGap total;
    for (const LayerGap& layer : layers_) {
        total.codes += layer.codes;
        total.near_tie += layer.near_tie;
        total.proven_different += layer.proven_different;
        total.forced.different += layer.forced.different;
        total.free.different += layer.free.different;
        total.forced.largest = std::max(total.forced.largest, layer.forced.largest);
        total.free.largest = std::max(total.free.largest, layer.free.largest);
    }
    return total;
}

}  // namespace gradus
