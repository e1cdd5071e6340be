#include "run/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "autograd/ops.h"
#include "nn/executor.h"
#include "run/console_table.h"
#include "run/resources.h"
#include "run/signals.h"
#include "run/train/divergence.h"
#include "run/train/evaluate.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t kSmallParameter = 4096;  // checked after every step

const char* rate_flag(const PhaseSettings& settings) {
    return settings.name == "float" ? "--float-lr" : "--lr";
}

// "conv1.weight.quantizer.scale[3] is -0.25"
std::string element_text(const Parameter& parameter, int64_t index) {
    const float value = parameter.value.data<float>()[index];
    const std::string place = parameter.value.numel() > 1 ? join('[', index, ']') : "";
    return join(parameter.name, place, " is ", std::isfinite(value) ? join(value) : "not finite");
}

}  // namespace

int64_t PhaseSettings::total_steps(int64_t batches_per_epoch) const {
    const int64_t steps = epochs * batches_per_epoch;
    return max_steps > 0 ? std::min(steps, max_steps) : steps;
}

WarmupCosine PhaseSettings::schedule(int64_t batches_per_epoch) const {
    const int64_t total = total_steps(batches_per_epoch);
    const auto warmup =
        static_cast<int64_t>(std::floor(warmup_epochs * static_cast<double>(batches_per_epoch)));
    const int64_t steps = std::min(std::max<int64_t>(1, warmup), std::max<int64_t>(1, total / 2));
    return {lr / static_cast<double>(steps), lr, steps, total};
}

double median(std::vector<double> values) {
    if (values.empty()) return NAN;
    const size_t middle = values.size() / 2;
    std::nth_element(values.begin(), values.begin() + middle, values.end());
    return values[middle];
}

Trainer::Trainer(const Graph& graph, Loader& loader, Optimizer& optimizer, RunPosition& position,
                 Metrics& metrics, Progress& progress)
    : graph_(graph),
      loader_(loader),
      optimizer_(optimizer),
      position_(position),
      metrics_(metrics),
      progress_(progress) {}

// Chosen by position, so that a resumed run continues with the same graph.
const Graph& Trainer::graph(const PhaseSettings& settings) const {
    const bool frozen = settings.freeze_epoch >= 0 && position_.epoch >= settings.freeze_epoch;
    return frozen && frozen_ ? *frozen_ : graph_;
}

void Trainer::run(const PhaseSettings& settings, const PhaseHooks& hooks) {
    const int64_t batches = loader_.batches();
    const int64_t total = settings.total_steps(batches);
    const WarmupCosine schedule = settings.schedule(batches);
    if (position_.start.largest.empty()) {
        position_.start.largest = largest_magnitudes(graph_.parameters());
    }
    check_all(settings);
    // Finishes an epoch that has begun, even if the stop came after its last step.
    while (position_.phase_step < total || position_.batch > 0) {
        loader_.start(position_.epoch, position_.batch);
        double lr = schedule.at(std::max<int64_t>(1, position_.phase_step));
        Stopwatch watch;
        while (position_.phase_step < total) {
            const auto batch = loader_.next();
            report_damage(loader_.dataset(), progress_);
            pass_over(batch ? batch->number : batches, total);
            if (!batch || position_.phase_step == total) break;
            lr = schedule.at(position_.phase_step + 1);
            step(*batch, settings, lr);
            step_seconds_.push_back(watch.seconds());
            watch = Stopwatch();
            const bool logged = position_.step % settings.log_interval == 0;
            if (logged) metrics_.interval(row(settings, lr));
            const bool due = settings.save_every > 0 && position_.step % settings.save_every == 0;
            if (logged || due || interrupted()) check_all(settings);
            if (interrupted() || due) hooks.save();
            if (interrupted()) fail_interrupted(hooks.resume_command().c_str());
        }
        finish_epoch(settings, hooks, lr);
    }
}

// Schedule and random numbers depend on the step's index, so a batch without readable images still
// counts as a step.
void Trainer::pass_over(int64_t batch, int64_t total) {
    const int64_t steps = std::min(batch - position_.batch, total - position_.phase_step);
    position_.batch += steps;
    position_.step += steps;
    position_.phase_step += steps;
}

void Trainer::step(const Batch& batch, const PhaseSettings& settings, double lr) {
    const RunMode mode{true, true, static_cast<uint64_t>(position_.step), settings.seed};
    Execution execution = forward(batch, mode, settings);
    const Tensor logits = execution.output.data();
    const Variable loss =
        softmax_cross_entropy(execution.output, batch.labels, settings.label_smoothing);
    execution.output = Variable();
    const float value = loss.data().data<float>()[0];
    if (!std::isfinite(value)) diverged(batch, settings, value);
    if (position_.start.loss < 0) position_.start.loss = value;
    backward(loss);
    optimizer_.step(execution, static_cast<float>(lr));
    const bool due = (position_.step + 1) % settings.log_interval == 0;
    measured_ = due ? measure(execution) : std::vector<ParameterMetrics>();

    batch_images_ = batch.labels.numel();
    position_.loss_sum += static_cast<double>(value) * static_cast<double>(batch_images_);
    position_.correct += count_correct(logits, batch.labels);
    position_.seen += batch_images_;
    ++position_.batch;
    ++position_.step;
    ++position_.phase_step;
    check_parameters(settings, kSmallParameter);
    const double seen = static_cast<double>(position_.seen);
    progress_.step({static_cast<int>(position_.epoch), position_.batch - 1,
                    position_.loss_sum / seen,
                    100.0 * static_cast<double>(position_.correct) / seen, lr, batch_images_});
}

// A quantizer that measures its input throws at once if the input is not finite.
Execution Trainer::forward(const Batch& batch, const RunMode& mode,
                           const PhaseSettings& settings) const {
    try {
        return execute(graph(settings), batch.images, mode);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::diverged) throw;
        fail(ErrorKind::diverged, "diverged at ", settings.name, " step ", position_.phase_step + 1,
             ": ", error.what(), remedy(settings));
    }
}

void Trainer::diverged(const Batch& batch, const PhaseSettings& settings, float loss) const {
    const RunMode mode{true, false, static_cast<uint64_t>(position_.step), settings.seed};
    const std::string layer = first_non_finite(graph(settings), batch.images, mode);
    fail(ErrorKind::diverged, "diverged: the loss is ", loss, " at ", settings.name, " step ",
         position_.phase_step + 1, "; first in ", layer.empty() ? "the loss" : layer,
         remedy(settings));
}

// Before the first step nothing in this phase can be the cause.
std::string Trainer::remedy(const PhaseSettings& settings) const {
    if (position_.phase_step == 0 && !settings.start_remedy.empty()) {
        return "; " + settings.start_remedy;
    }
    return join("; a lower ", rate_flag(settings), " than ", settings.lr, " may help");
}

// ", the largest at the start of the phase was 0.5"; "" at the start itself.
std::string Trainer::start_text(const Parameter& parameter) const {
    const auto start = position_.start.largest.find(parameter.name);
    if (position_.phase_step == 0 || start == position_.start.largest.end()) return "";
    const bool one = parameter.value.numel() == 1;
    return join(one ? ", at the start of the phase it was "
                    : ", the largest at the start of the phase was ",
                start->second);
}

// A quantizer has a code for NaN and for every scale, so the loss of a diverged network may look
// finite. A bad filter affects its quantizer's scale and its batch norm one step later.
void Trainer::check_parameters(const PhaseSettings& settings, int64_t largest) {
    std::vector<std::string> fallen;
    const bool counted = std::exchange(counted_step_, position_.step) == position_.step;
    for (const auto& parameter : graph(settings).parameters()) {
        const Tensor& value = parameter->value;
        if (value.numel() > largest) continue;
        const float* x = value.data<float>();
        const float limit = largest_allowed(*parameter, position_.start);
        const float* end = x + value.numel();
        const float* bad = std::find_if(x, end, [&](float v) { return !(std::fabs(v) <= limit); });
        if (bad != end) {
            fail(ErrorKind::diverged, "diverged: ", element_text(*parameter, bad - x), " at ",
                 settings.name, " step ", position_.phase_step, start_text(*parameter),
                 remedy(settings));
        }
        if (!parameter->positive || counted) continue;
        bad = std::find_if(x, end, [](float v) { return v <= 0.0f; });
        if (bad == end || faults_[parameter->name]++ > 0) continue;
        fallen.push_back(element_text(*parameter, bad - x));
    }
    report_fallen(settings, fallen);
}

void Trainer::check_all(const PhaseSettings& settings) {
    check_parameters(settings, std::numeric_limits<int64_t>::max());
    if (position_.seen == 0) return;
    const double mean = position_.loss_sum / static_cast<double>(position_.seen);
    check_kind(!loss_diverged(mean, position_.start), ErrorKind::diverged,
               "diverged: the loss of this epoch is ", mean, " at ", settings.name, " step ",
               position_.phase_step, ", at the start of the phase it was ", position_.start.loss,
               remedy(settings));
}

// Reports scales that fall to zero or below for the first time; print_faults counts later ones.
void Trainer::report_fallen(const PhaseSettings& settings, const std::vector<std::string>& fallen) {
    if (fallen.empty()) return;
    const size_t others = fallen.size() - 1;
    progress_.warn(join("warning: ", fallen[0], " after ", settings.name, " step ",
                        position_.phase_step, "; its magnitude is used",
                        others > 0 ? join(", as that of ", others, " more") : "", ". A lower ",
                        rate_flag(settings), " or --quantizer-lr-multiplier may help"));
}

void Trainer::print_faults(const PhaseSettings& settings) {
    const auto worst =
        std::max_element(faults_.begin(), faults_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (worst == faults_.end() || worst->second < 2) return;
    progress_.warn(
        join("warning: ", worst->first, " was at or below zero after ", worst->second, ' ',
             settings.name, " steps so far",
             faults_.size() > 1 ? join("; ", faults_.size() - 1, " more at times") : ""));
}

std::vector<ParameterMetrics> Trainer::measure(const Execution& execution) const {
    std::vector<ParameterMetrics> all;
    for (const auto& parameter : watched_) {
        const auto leaf = execution.leaves.find(parameter);
        if (leaf == execution.leaves.end() || !leaf->second.grad().defined()) continue;
        const int64_t n = parameter->value.numel();
        double value = 0.0, gradient = 0.0, squares = 0.0;
        for (int64_t c = 0; c < n; ++c) {
            const double g = leaf->second.grad().data<float>()[c];
            value += parameter->value.data<float>()[c];
            gradient += g;
            squares += g * g;
        }
        const double count = static_cast<double>(n);
        all.push_back({parameter->name, n, value / count, gradient / count, std::sqrt(squares)});
    }
    return all;
}

MetricsRow Trainer::row(const PhaseSettings& settings, double lr) const {
    MetricsRow row;
    row.phase = settings.name;
    row.epoch = static_cast<int>(position_.epoch);
    row.step = position_.step;
    const double seen = static_cast<double>(std::max<int64_t>(1, position_.seen));
    row.train_loss = position_.loss_sum / seen;
    row.train_top1 = 100.0 * static_cast<double>(position_.correct) / seen;
    row.lr = lr;
    row.parameters = measured_;
    const int64_t recent =
        std::min<int64_t>(settings.log_interval, static_cast<int64_t>(step_seconds_.size()));
    if (recent > 0) {
        row.images_per_second = static_cast<double>(batch_images_) /
                                median({step_seconds_.end() - recent, step_seconds_.end()});
    }
    return row;
}

// Keeps a trained epoch when its evaluation is interrupted.
Accuracy Trainer::evaluate(const PhaseHooks& hooks) const {
    try {
        return hooks.evaluate();
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) hooks.save();
        throw;
    }
}

void Trainer::finish_epoch(const PhaseSettings& settings, const PhaseHooks& hooks, double lr) {
    check_kind(position_.seen > 0, ErrorKind::data, "no batch of the ", settings.name, " epoch ",
               position_.epoch + 1,
               " could be trained on: each has fewer than two readable images; mend the files or "
               "take a larger --batch-size");
    check_all(settings);
    print_faults(settings);
    MetricsRow metrics = row(settings, lr);
    const Accuracy accuracy = evaluate(hooks);
    if (accuracy.images > 0) {
        metrics.eval_loss = accuracy.loss;
        metrics.eval_top1 = accuracy.top1();
        progress_.line(join(settings.name, ' ', position_.epoch + 1, '/', settings.epochs,
                            ": train loss ", fixed_text(metrics.train_loss, 4), " top1 ",
                            fixed_text(metrics.train_top1, 2), ", test loss ",
                            fixed_text(metrics.eval_loss, 4), " top1 ",
                            fixed_text(metrics.eval_top1, 2)));
    }
    metrics_.epoch(metrics);
    ++position_.epoch;
    position_.batch = 0;
    position_.loss_sum = 0.0;
    position_.correct = 0;
    position_.seen = 0;
    hooks.save();
}

}  // namespace gradus
