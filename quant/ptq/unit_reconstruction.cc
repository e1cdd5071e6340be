#include "quant/ptq/unit_reconstruction.h"

#include <algorithm>
#include <cstring>

#include "autograd/ops.h"
#include "nn/schedule.h"
#include "quant/ptq/soft_round.h"
#include "quant/ptq/subgraph.h"

namespace gradus {

namespace {

constexpr double scale_rate = 4e-5;
constexpr double warmup = 0.2;  // the part of the steps without the penalty
constexpr float first_beta = 20.0f, last_beta = 2.0f;
constexpr float qdrop_keep = 0.5f;

// Indices of samples, drawn with repetition.
std::vector<int64_t> pick(int64_t count, int64_t batch, const Rng& draw) {
    std::vector<int64_t> picked(std::min(batch, count));
    for (size_t i = 0; i < picked.size(); ++i) {
        picked[i] = draw.below(i, static_cast<uint32_t>(count));
    }
    return picked;
}

// The picked samples of x.
Tensor gather(const Tensor& x, const std::vector<int64_t>& picked) {
    std::vector<int64_t> extents = x.shape().extents();
    extents[0] = static_cast<int64_t>(picked.size());
    Tensor result = Tensor::empty(Shape(extents));
    const int64_t size = x.numel() / x.shape()[0];
    for (size_t i = 0; i < picked.size(); ++i) {
        std::memcpy(result.data<float>() + static_cast<int64_t>(i) * size,
                    x.data<float>() + picked[i] * size, size * sizeof(float));
    }
    return result;
}

}  // namespace

double rounding_rate(int64_t steps) {
    return std::clamp(20.0 / static_cast<double>(steps), 1e-3, 1e-1);
}

// Decreases linearly from the end of the warm-up.
float beta_at(int64_t step, int64_t steps) {
    const double begin = warmup * static_cast<double>(steps);
    const double progress =
        (static_cast<double>(step) - begin) / (static_cast<double>(steps) - begin);
    return last_beta + (first_beta - last_beta) * static_cast<float>(1.0 - progress);
}

bool penalised(int64_t step, int64_t steps) {
    return static_cast<double>(step) >= warmup * static_cast<double>(steps);
}

UnitReconstruction::UnitReconstruction(const QuantizedModel& model, const Graph& network,
                                       const Unit& unit, const Tensor& images,
                                       const ReconstructionOptions& options,
                                       const std::set<std::string>& held)
    : inference_(model.inference),
      options_(options),
      entry_(counterpart(inference_, network, unit.entry)),
      exit_(counterpart(inference_, network, unit.exit)),
      keep_(options.method == Reconstruction::qdrop ? qdrop_keep : 1.0f),
      rng_(Rng(options.seed).split("reconstruct").split(unit.name)),
      held_(held) {
    const auto exact = values_at(network, {unit.entry, unit.exit}, images);
    target_ = exact[1];
    if (keep_ < 1.0f) exact_ = exact[0];
    quantized_ = values_at(inference_, {entry_}, images)[0];
    const auto& extents = quantized_.shape().extents();
    sample_shape_ = Shape(std::vector<int64_t>(extents.begin() + 1, extents.end()));
    unit_ = build(Weights::learned);
    result_.name = unit.name;
}

std::set<std::string> UnitReconstruction::learned_quantizers() const {
    std::set<std::string> names;
    for (const auto& scale : unit_.scales) {
        names.insert(scale->name.substr(0, scale->name.rfind('.')));
    }
    return names;
}

ReconstructedUnit UnitReconstruction::run(
    const std::function<void(int64_t step, double loss)>& watch) {
    result_.before = loss_on_codes();
    begin();
    Optimizer optimizer({"adamw", 0.9f, true, 0.0f});
    for (int64_t step = 0; step < options_.steps; ++step) {
        const double loss = learn(optimizer, step);
        if (watch) watch(step, loss);
    }
    harden();
    result_.after = loss_on_codes();
    if (!(result_.after < result_.before)) restore();
    return result_;
}

UnitGraph UnitReconstruction::build(Weights weights) const {
    const float keep = weights == Weights::learned ? keep_ : 1.0f;
    return unit_graph(inference_, entry_, exit_, sample_shape_, weights, held_, keep);
}

Grid UnitReconstruction::grid_of(const Rounding& rounding) const {
    return rounding.quantizer->grid();
}

Tensor UnitReconstruction::folded_weight(const Rounding& rounding) const {
    return constants_of(unit_.graph, {rounding.folded}).at(rounding.folded);
}

// Starts from every weight's current value, and keeps what is needed to undo the learning.
void UnitReconstruction::begin() {
    for (const Rounding& rounding : unit_.roundings) {
        const Tensor w = folded_weight(rounding);
        rounding.v->value.copy_from(first_roundings(*rounding.quantizer, grid_of(rounding), w));
        nearest_.push_back(quantize_to_grid(w, grid_of(rounding), rounding.quantizer->format));
        before_.push_back(rounding.weight->value.clone());
        result_.weights += w.numel();
    }
    for (const auto& scale : unit_.scales) before_.push_back(scale->value.clone());
}

void UnitReconstruction::restore() {
    auto value = before_.begin();
    for (const Rounding& rounding : unit_.roundings) {
        rounding.weight->value.copy_from(*value++);
    }
    for (const auto& scale : unit_.scales) scale->value.copy_from(*value++);
    result_.after = result_.before;
    result_.changed = 0;
}

// QDrop: takes each element of the input from the quantized network with probability `keep`.
Tensor UnitReconstruction::batch_input(const std::vector<int64_t>& picked, const Rng& rng) const {
    const Tensor x_hat = gather(quantized_, picked);
    if (keep_ >= 1.0f) return x_hat;
    const Variable x(gather(exact_, picked));
    return drop_rounding(x, Variable(x_hat), keep_, rng).data();
}

// The loss and the penalties of all roundings.
Variable UnitReconstruction::penalised_loss(const Execution& run, Variable loss,
                                            int64_t step) const {
    if (!penalised(step, options_.steps)) return loss;
    const float beta = beta_at(step, options_.steps);
    for (const Rounding& rounding : unit_.roundings) {
        loss = add(loss, rounding_penalty(run.leaves.at(rounding.v), options_.strength, beta));
    }
    return loss;
}

double UnitReconstruction::learn(Optimizer& optimizer, int64_t step) {
    const Rng rng = rng_.split(static_cast<uint64_t>(step));
    const auto picked = pick(target_.shape()[0], options_.batch, rng.split("images"));
    const RunMode mode{false, true, static_cast<uint64_t>(step), rng_.key()};
    const Execution run = execute(unit_.graph, batch_input(picked, rng.split("input")), mode);
    const Variable loss = reconstruction_loss(run.output, gather(target_, picked));
    backward(penalised_loss(run, loss, step));
    const double rate = rounding_rate(options_.steps);
    const double of_scales = WarmupCosine{scale_rate, scale_rate, 0, options_.steps}.at(step);
    for (const auto& scale : unit_.scales) {
        scale->lr_multiplier = static_cast<float>(of_scales / rate);
    }
    optimizer.step(run, static_cast<float>(rate));
    return loss.data().data<float>()[0];
}

// Writes the learned codes into the float weights: w = s (q - z) / factor.
void UnitReconstruction::harden() {
    for (size_t i = 0; i < unit_.roundings.size(); ++i) {
        const Rounding& rounding = unit_.roundings[i];
        const Grid grid = grid_of(rounding);
        const Affine codes =
            learned_codes(*rounding.quantizer, grid, folded_weight(rounding), rounding.v->value);
        bake(rounding, dequantize(codes));
        const Affine again =
            quantize_to_grid(folded_weight(rounding), grid, rounding.quantizer->format);
        const CodeReader baked(again.codes), nearest(nearest_[i].codes);
        const int32_t* wanted = codes.codes.data<int32_t>();
        for (int64_t k = 0; k < codes.codes.numel(); ++k) {
            check(baked[k] == wanted[k], rounding.quantizer->name, ": weight ", k, " learned code ",
                  wanted[k], " and rounds to ", baked[k]);
            result_.changed += wanted[k] != nearest[k];
        }
    }
}

void UnitReconstruction::bake(const Rounding& rounding, const Tensor& values) const {
    Tensor& w = rounding.weight->value;
    w.copy_from(values);
    if (rounding.factor.empty()) return;
    const Tensor factor = constants_of(unit_.graph, {rounding.factor}).at(rounding.factor);
    w.copy_from(divide_axis(Variable(values), Variable(factor), 0).data());
}

// The loss over all images, with codes only.
double UnitReconstruction::loss_on_codes() const {
    const Graph graph = build(Weights::nearest).graph;
    double sum = 0.0;
    for (int64_t begin = 0; begin < target_.shape()[0]; begin += options_.batch) {
        const int64_t end = std::min(target_.shape()[0], begin + options_.batch);
        const Tensor y = execute(graph, samples(quantized_, begin, end), RunMode{}).output.data();
        const Variable loss = reconstruction_loss(Variable(y), samples(target_, begin, end));
        sum += double{loss.data().data<float>()[0]} * static_cast<double>(end - begin);
    }
    return sum / static_cast<double>(target_.shape()[0]);
}

}  // namespace gradus
