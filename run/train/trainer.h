// trainer -- one phase of training: batches, schedule, optimizer, checkpoints, metrics.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/loader.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "run/progress.h"
#include "run/train/checkpoint.h"
#include "run/train/evaluate.h"
#include "run/train/metrics.h"

namespace gradus {

struct PhaseSettings {
    std::string name;  // "float", "quantized"
    int64_t epochs = 0;
    int64_t max_steps = 0;  // 0: no limit
    double lr = 0.1;
    double warmup_epochs = 0.0;
    float label_smoothing = 0.0f;
    uint64_t seed = 0;
    int64_t log_interval = 50;
    int64_t save_every = 0;     // steps between checkpoints; 0: after each epoch
    int64_t freeze_epoch = -1;  // train the frozen graph from this epoch on; -1: never
    std::string start_remedy;   // for a network that fails at the first step; "": the rate

    // Optimizer steps of the phase.
    int64_t total_steps(int64_t batches_per_epoch) const;
    WarmupCosine schedule(int64_t batches_per_epoch) const;
};

struct PhaseHooks {
    std::function<void()> save;          // writes a checkpoint of the position
    std::function<Accuracy()> evaluate;  // after an epoch
    std::function<std::string()> resume_command;
};

class Trainer {
  public:
    Trainer(const Graph& graph, Loader& loader, Optimizer& optimizer, RunPosition& position,
            Metrics& metrics, Progress& progress);

    // The graph to train from settings.freeze_epoch on, over the same parameters.
    void freeze_with(const Graph& frozen) { frozen_ = &frozen; }

    // Trains from the position to the end of the phase. Error(diverged) names phase, step, the
    // first layer or parameter that is not finite or beyond its limit (run/train/divergence.h), its
    // value and its start, and the flag to change; nothing of that step is saved. Parameters of up
    // to 4096 elements are checked after every step; the others, and the loss, at every interval,
    // before a checkpoint and after an epoch. A scale that a step leaves at or below zero is
    // reported with its step, and its magnitude is used. Error(interrupted) after saving.
    void run(const PhaseSettings& settings, const PhaseHooks& hooks);

    // Records values and gradients of these parameters in the metrics of each interval.
    void watch(std::vector<std::shared_ptr<Parameter>> parameters) {
        watched_ = std::move(parameters);
    }

    // Seconds of each step, data loading included.
    const std::vector<double>& step_seconds() const { return step_seconds_; }

  private:
    const Graph& graph(const PhaseSettings& settings) const;
    void pass_over(int64_t batch, int64_t total);
    void step(const Batch& batch, const PhaseSettings& settings, double lr);
    Execution forward(const Batch& batch, const RunMode& mode, const PhaseSettings& settings) const;
    [[noreturn]] void diverged(const Batch& batch, const PhaseSettings& settings, float loss) const;
    std::string start_text(const Parameter& parameter) const;
    std::string remedy(const PhaseSettings& settings) const;
    void check_parameters(const PhaseSettings& settings, int64_t largest);
    void check_all(const PhaseSettings& settings);
    void report_fallen(const PhaseSettings& settings, const std::vector<std::string>& fallen);
    void print_faults(const PhaseSettings& settings);
    MetricsRow row(const PhaseSettings& settings, double lr) const;
    std::vector<ParameterMetrics> measure(const Execution& execution) const;
    Accuracy evaluate(const PhaseHooks& hooks) const;
    void finish_epoch(const PhaseSettings& settings, const PhaseHooks& hooks, double lr);

    const Graph& graph_;
    const Graph* frozen_ = nullptr;
    Loader& loader_;
    Optimizer& optimizer_;
    RunPosition& position_;
    Metrics& metrics_;
    Progress& progress_;
    std::vector<double> step_seconds_;
    int64_t batch_images_ = 0;
    std::vector<std::shared_ptr<Parameter>> watched_;
    std::vector<ParameterMetrics> measured_;  // at the last interval
    std::map<std::string, int64_t> faults_;   // steps that left a positive parameter at or below 0
    int64_t counted_step_ = -1;               // the last step whose faults are counted
};

double median(std::vector<double> values);

}  // namespace gradus
