#include "run/train/experiment.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>

#include "integer/lower.h"
#include "io/program_file.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "quant/ptq/subgraph.h"
#include "run/console_table.h"
#include "run/resources.h"
#include "run/signals.h"
#include "run/threads.h"
#include "run/train/answers.h"
#include "run/train/assemble.h"
#include "run/train/checkpoint.h"
#include "run/train/evaluate.h"
#include "run/train/idle_flags.h"
#include "run/train/load_network.h"
#include "run/train/post_training.h"
#include "run/train/result_tables.h"
#include "run/train/run_folder.h"
#include "run/train/trainer.h"
#include "run/version.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t kReadableImages = 100;

// Joins two lists without duplicates. A merged batch norm leaves the float network with parameters
// that only the float phase trains.
ParameterList joined(ParameterList all, const ParameterList& more) {
    for (const auto& parameter : more) {
        if (std::find(all.begin(), all.end(), parameter) == all.end()) all.push_back(parameter);
    }
    return all;
}

// Empty with --algo none.
std::optional<QuantizedModel> quantized(const Options& options, const Graph& network) {
    if (options.algo == "none") return std::nullopt;
    QuantizedModel model = quantize(network, recipe_of(options));
    refuse_post_training(options, model);
    set_quantizer_rates(options, model);
    return model;
}

class Experiment {
  public:
    Experiment(const Options& options, int argc, const char* const* argv);
    int run();

  private:
    int run_phases();
    void report_start();
    void restore();
    void float_phase();
    void quantized_phase();
    void finish_float();
    void train(const Graph& graph, const PhaseSettings& settings,
               const std::function<Accuracy()>& evaluation);
    PhaseSettings phase(const std::string& name) const;
    std::string float_remedy() const;
    ProgressPhase progress_phase(const std::string& name, int64_t steps_per_epoch) const;
    void plan_progress(int64_t steps_per_epoch);
    void calibrate_quantizers();
    void report_scales();
    Accuracy simulated_accuracy();
    void save_trained();
    int last_evaluation();
    int integers();
    int judge(const IntegerEvaluation& found, const std::vector<std::string>& constants);
    void report_layers(const Comparison& comparison);
    void finish();
    std::optional<double> images_per_second(const std::string& phase) const;
    std::optional<double> seconds_in(const std::string& phase) const;
    void save();
    void begin_phase(const std::string& name);
    std::map<std::string, std::string> metadata() const;
    bool quantizes() const { return options_.algo != "none"; }
    bool deployable() const { return model_->not_deployable().empty(); }

    const Options& options_;
    Stopwatch watch_;
    DataSplits data_;
    Graph float_graph_;
    std::optional<QuantizedModel> model_;
    ParameterList trained_;     // by the last phase
    ParameterList parameters_;  // of all phases
    RunFolder folder_;
    CheckpointStore store_;
    Progress progress_;
    RunPosition position_;
    RunFacts facts_;
    FinalFacts final_facts_;
    Result result_;
    std::unique_ptr<Optimizer> optimizer_;
    std::map<std::string, std::vector<double>> step_seconds_;  // of this process, by phase
};

// Refuses everything that can be refused before a folder is made or a step is done.
Experiment::Experiment(const Options& options, int argc, const char* const* argv)
    : options_(options),
      data_(open_data(options)),
      float_graph_(starting_network(options, *data_.train)),
      model_(quantized(options, float_graph_)),
      trained_(model_ ? model_->training.parameters() : float_graph_.parameters()),
      parameters_(joined(trained_, float_graph_.parameters())),
      folder_(options),
      store_(folder_.path()),
      progress_(std::cerr,
                progress_settings(options.quiet, options.no_progress, options.log_interval)),
      optimizer_(std::make_unique<Optimizer>(optimizer_options(options))) {
    facts_.command.assign(argv, argv + argc);
    facts_.dataset = data_.train->facts().name;
    facts_.stem = resolve_stem(options.stem, data_.train->image_shape());
    facts_.image_size = static_cast<int>(data_.train->image_shape()[0]);
    facts_.num_classes = static_cast<int>(model_options(options, *data_.train).num_classes);
    facts_.bn_fold = resolve_bn_fold(options, find_hardware(options.hardware));
    facts_.threads = thread_count();
    facts_.device = "cpu";
    facts_.train_images = data_.train->size();
    facts_.test_images = data_.test->size();
    facts_.parameters = float_graph_.trainable_count();
    for (const auto& [name, split] : {std::pair{"train", data_.train}, {"test", data_.test}}) {
        Sha256 hash;
        hash_dataset(*split, hash);
        facts_.data_sha256.emplace_back(name, hash.hex());
    }
    const auto recorded = folder_.recorded_data_sha256();
    check_kind(recorded.empty() || recorded == facts_.data_sha256, ErrorKind::data,
               data_.announcement, ": other images than those that the run in ", folder_.path(),
               " began with; give their folder by --data-path or start a new run");
    result_.model = options.model;
    result_.algo = options.algo;
    result_.hardware = options.hardware;
    result_.simulate = options.simulate;
    result_.parameters = facts_.parameters;
    if (quantizes()) {
        result_.weight_algo = find_algorithm(options.weight_algo, Role::weight).name;
        result_.activation_algo = options.activation_algo;
        result_.weight_bits = options.weight_bits;
        result_.activation_bits = options.activation_bits;
    }
}

void Experiment::report_start() {
    progress_.line(version_line());
    for (const std::string& line : header_lines(options_)) progress_.line(line);
    progress_.line(data_.announcement);
    for (const std::string& line : idle_flags(options_, data_.train->facts())) {
        progress_.warn("warning: " + line);
    }
    progress_.line(join(options_.model, ", stem ", facts_.stem, ": ",
                        count_text(*facts_.parameters), " parameters, ", thread_count(),
                        " threads"));
    if (model_) {
        progress_.line(join(algorithms_text(options_), " on ", options_.hardware, ": W",
                            options_.weight_bits, "A", options_.activation_bits,
                            ", first and last layer 8 bit, ", model_->activation_quantizers(),
                            " activation quantizers, simulate ", options_.simulate));
        if (!deployable()) {
            progress_.line("no integers at the end: " + model_->not_deployable());
        }
    }
    progress_.line("run folder " + folder_.path());
    folder_.write_run_json(options_, facts_);
}

int Experiment::run() {
    try {
        return run_phases();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::interrupted) throw;
        fail_interrupted(folder_.resume_command().c_str());
    }
}

int Experiment::run_phases() {
    report_start();
    if (folder_.resumed()) restore();
    if (position_.phase == "float") float_phase();
    if (quantizes() && position_.phase == "quantized") quantized_phase();
    save_trained();  // lowering may fail
    const int code = quantizes() ? last_evaluation() : 0;
    finish();
    return code;
}

void Experiment::restore() {
    const std::vector<std::shared_ptr<Quantizer>> none;
    const bool found =
        store_.load(position_, parameters_, *optimizer_, model_ ? model_->quantizers : none,
                    [&](const std::string& text) { progress_.warn(text); });
    folder_.metrics().cut_back(position_.step);
    progress_.line(found ? join("going on after step ", position_.step, " (", position_.phase,
                                " epoch ", position_.epoch + 1, ")")
                         : "no checkpoint yet: starting from the beginning");
}

PhaseSettings Experiment::phase(const std::string& name) const {
    const bool is_float = name == "float";
    PhaseSettings settings;
    settings.name = name;
    settings.epochs = is_float ? options_.float_epochs : options_.epochs;
    settings.max_steps = options_.max_steps;
    settings.lr = is_float ? options_.float_lr : options_.lr;
    settings.warmup_epochs = options_.warmup_epochs;
    settings.label_smoothing = static_cast<float>(options_.label_smoothing);
    settings.seed = options_.seed;
    settings.log_interval = options_.log_interval;
    settings.save_every = options_.save_every;
    settings.freeze_epoch = is_float ? -1 : options_.freeze_bn_epoch;
    if (!is_float) settings.start_remedy = float_remedy();
    return settings;
}

// Advice if the network that enters the quantized phase is at fault.
std::string Experiment::float_remedy() const {
    if (!options_.weights.empty()) return "look at the weights in " + options_.weights;
    if (options_.float_epochs == 0) return "its weights are random; --float-epochs trains them";
    return join("a lower --float-lr than ", options_.float_lr, " may help");
}

ProgressPhase Experiment::progress_phase(const std::string& name, int64_t steps_per_epoch) const {
    const PhaseSettings settings = phase(name);
    return {name, static_cast<int>(settings.epochs), steps_per_epoch, 1.0, settings.max_steps};
}

// A float and a quantized step cost about the same (docs/results).
void Experiment::plan_progress(int64_t steps_per_epoch) {
    std::vector<ProgressPhase> phases;
    if (options_.weights.empty()) phases.push_back(progress_phase("float", steps_per_epoch));
    if (quantizes()) phases.push_back(progress_phase("quantized", steps_per_epoch));
    progress_.plan(phases);
}

void Experiment::train(const Graph& graph, const PhaseSettings& settings,
                       const std::function<Accuracy()>& evaluation) {
    Loader loader(data_.train, training_loader(options_, *data_.train),
                  Rng(options_.seed).split(settings.name));
    const auto steps_per_epoch = loader.batches();
    plan_progress(steps_per_epoch);
    progress_.begin_phase(progress_phase(settings.name, steps_per_epoch), position_.phase_step);
    Trainer trainer(graph, loader, *optimizer_, position_, folder_.metrics(), progress_);
    if (model_) {
        trainer.watch(learned_parameters(*model_));
        trainer.freeze_with(model_->inference);
    }
    trainer.run(settings,
                {[this] { save(); }, evaluation, [this] { return folder_.resume_command(); }});
    step_seconds_[settings.name] = trainer.step_seconds();
}

void Experiment::begin_phase(const std::string& name) {
    position_.phase = name;
    position_.epoch = position_.batch = position_.phase_step = 0;
    position_.start = {};
    optimizer_ = std::make_unique<Optimizer>(optimizer_options(options_));
    save();
}

void Experiment::float_phase() {
    if (options_.weights.empty()) {
        train(float_graph_, phase("float"), [] { return Accuracy{}; });
    } else {
        const WeightsMatch match = load_network(options_.weights, float_graph_.parameters());
        progress_.line(options_.weights + ": " + match.text());
    }
    finish_float();
    begin_phase(quantizes() ? "quantized" : "done");
}

void Experiment::finish_float() {
    Loader loader(data_.test, evaluation_loader());
    const Accuracy accuracy = evaluate(float_graph_, loader, progress_, "float");
    check_kind(std::isfinite(accuracy.loss), ErrorKind::diverged,
               "diverged: the test loss of the float network is ", accuracy.loss, "; ",
               float_remedy());
    position_.float_top1 = accuracy.top1();
    progress_.line(join("float network: test loss ", fixed_text(accuracy.loss, 4), " top1 ",
                        fixed_text(accuracy.top1(), 2)));
    save_network(folder_.file("float.safetensors"), float_graph_.parameters(), metadata());
    if (!quantizes()) return;
    try {
        if (options_.equalize) equalize_network(float_graph_, progress_);
        calibrate_quantizers();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::diverged) throw;
        fail(ErrorKind::diverged, "diverged before training: ", error.what(), "; ", float_remedy());
    }
}

void Experiment::calibrate_quantizers() {
    std::optional<Graph> reference;  // a copy: the model shares its parameters
    if (improves_quantized(options_)) reference = detached_copy(float_graph_);
    calibrate(*model_, calibration_batches(options_, data_.train));
    report_damage(*data_.train, progress_);
    progress_.line(join("calibrated ", model_->quantizers.size(), " quantizers on ",
                        calibration_image_count(options_, *data_.train), " images"));
    report_scales();
    if (options_.reestimate_bn) {
        reestimate_batch_norm(*model_, calibration_batches(options_, data_.train));
        progress_.line("statistics of batch norm estimated again");
    }
    if (reference) improve_quantized(options_, *model_, *reference, data_.train, progress_);
    // Lower before training: a network that cannot be lowered is not worth training.
    if (options_.epochs > 0 && deployable()) lower(*model_);
    if (options_.epochs > 0) position_.calibrated_top1 = simulated_accuracy().top1();
    if (position_.calibrated_top1 < 0) return;
    progress_.line("calibrated network: test top1 " + fixed_text(position_.calibrated_top1, 2));
}

// Reports quantizers whose scales do not follow from the calibration data.
void Experiment::report_scales() {
    const auto report = [&](const char* level, const std::string& what, const auto& concerned) {
        std::vector<std::string> names;
        for (const auto& quantizer : model_->quantizers) {
            if (concerned(*quantizer)) names.push_back(quantizer->name);
        }
        if (names.empty()) return;
        const std::string more =
            names.size() > 1 ? join(" and ", names.size() - 1, " more quantizers") : "";
        progress_.warn(join(level, ": ", names[0], more, what));
    };
    report("warning", " saw nothing but zeros: the scale is 1",
           [](const Quantizer& q) { return q.saw_nothing; });
    report("warning",
           join(" saw next to nothing but zeros: a scale starts at the floor of ", kScaleFloor),
           [](const Quantizer& q) {
               const auto scales = q.grid().scale.to_vector<float>();
               return *std::min_element(scales.begin(), scales.end()) <= kScaleFloor;
           });
    report("note", ": a scale is raised so that an int32 bias fits", raises_scale);
}

Accuracy Experiment::simulated_accuracy() {
    Loader loader(data_.test, evaluation_loader());
    return evaluate(model_->inference, loader, progress_, "simulation");
}

void Experiment::quantized_phase() {
    train(model_->training, phase("quantized"), [this] { return simulated_accuracy(); });
    begin_phase("done");
}

// Evaluates in integers if the model deploys, else in simulation alone.
int Experiment::last_evaluation() {
    const int code = deployable() ? integers() : 0;
    if (!deployable()) result_.simulated_top1 = simulated_accuracy().top1();
    result_.calibrated_top1 =
        position_.calibrated_top1 < 0 ? result_.simulated_top1 : position_.calibrated_top1;
    return code;
}

int Experiment::integers() {
    save_program(folder_.file("program.safetensors"), lower(*model_));
    const Program program = load_program(folder_.file("program.safetensors"));
    const auto constants = compare_constants(*model_, program);
    Loader loader(data_.test, evaluation_loader());
    const IntegerEvaluation found =
        evaluate_integers(*model_, program, loader, kReadableImages, progress_);
    result_.simulated_top1 = found.simulated.top1();
    result_.integer_top1 = found.integer.top1();
    result_.predictions_compared = found.comparison.predictions_compared();
    result_.predictions_different = found.comparison.predictions_different();
    result_.codes_compared = found.comparison.codes_compared();
    result_.codes_different = found.comparison.codes_different();
    facts_.float_nodes = program.float_nodes();
    final_facts_.float_nodes = program.float_nodes();
    final_facts_.packed_weight_bytes = program.packed_bytes();
    final_facts_.integer_seconds = found.integer_seconds;
    final_facts_.integer_images_per_second =
        static_cast<double>(found.integer.images) / found.integer_seconds;
    return judge(found, constants);
}

// Reports the difference between float simulation and integers, layer by layer.
void Experiment::report_layers(const Comparison& comparison) {
    std::vector<LayerRow> rows;
    for (const LayerComparison& layer : comparison.layers()) {
        rows.push_back({layer.layer,
                        layer.op,
                        {},
                        {},
                        layer.codes_compared,
                        layer.difference.different,
                        layer.difference.largest});
    }
    std::ostringstream table;
    print_layer_table(table, rows, stream_is_utf8(2));
    progress_.table(table.str());
}

int Experiment::judge(const IntegerEvaluation& found, const std::vector<std::string>& constants) {
    const Comparison& c = found.comparison;
    if (options_.simulate == "qdq") {
        report_layers(c);
        return 0;
    }
    std::vector<std::string> differences = constants;
    if (!c.first_different().empty()) {
        differences.push_back("codes differ first in " + c.first_different());
    }
    if (c.logits_different() > 0) {
        differences.push_back(join("logits of ", c.logits_different(), " images differ"));
    }
    if (found.readable_different > 0) {
        differences.push_back("the readable kernel differs from the simulation");
    }
    for (const std::string& text : differences) {
        progress_.warn("error: simulation and integers differ: " + text);
    }
    return differences.empty() ? 0 : 1;
}

// From the median step of a phase; empty if this process did none.
std::optional<double> Experiment::images_per_second(const std::string& phase) const {
    const auto steps = step_seconds_.find(phase);
    if (steps == step_seconds_.end() || steps->second.empty()) return std::nullopt;
    const auto batch = std::min<int64_t>(options_.batch_size, data_.train->size());
    return static_cast<double>(batch) / median(steps->second);
}

std::optional<double> Experiment::seconds_in(const std::string& phase) const {
    const auto steps = step_seconds_.find(phase);
    if (steps == step_seconds_.end() || steps->second.empty()) return std::nullopt;
    return std::accumulate(steps->second.begin(), steps->second.end(), 0.0);
}

void Experiment::save_trained() {
    const std::string network = folder_.file("model.safetensors");
    if (model_) save_quantized(network, *model_, metadata());
    if (!model_) save_network(network, trained_, metadata());
}

void Experiment::finish() {
    result_.weights_sha256 = tensors_sha256(export_parameters(trained_));
    if (position_.float_top1 >= 0) result_.float_top1 = position_.float_top1;
    result_.images_per_second = images_per_second("quantized");
    final_facts_.float_images_per_second = images_per_second("float");
    final_facts_.float_seconds = seconds_in("float");
    final_facts_.simulated_seconds = seconds_in("quantized");
    result_.peak_rss_bytes = peak_rss_bytes();
    result_.seconds = position_.seconds + watch_.seconds();
    final_facts_.float_weight_bytes = float_graph_.trainable_count() * 4;
    folder_.write_run_json(options_, facts_);
    folder_.write_result(result_);
    for (const auto& [name, split] : {std::pair{"train", data_.train}, {"test", data_.test}}) {
        report_damage(*split, progress_);
        if (split->damaged_count() == 0) continue;
        progress_.warn(join("warning: ", split->damaged_count(), " of the ", split->size(), ' ',
                            name, " images could not be read and were left out"));
    }
    progress_.clear();
    std::ostream& out = options_.json ? std::cerr : std::cout;
    print_final_table(out, result_, final_facts_, stream_is_utf8(options_.json ? 2 : 1));
    if (options_.json) std::cout << result_json(result_);
}

void Experiment::save() {
    RunPosition position = position_;
    position.seconds += watch_.seconds();
    const std::vector<std::shared_ptr<Quantizer>> none;
    store_.save(position, parameters_, *optimizer_, model_ ? model_->quantizers : none);
}

std::map<std::string, std::string> Experiment::metadata() const {
    return {{"format", "gradus network 1"},
            {"model", options_.model},
            {"stem", facts_.stem},
            {"algo", options_.algo},
            {"hardware", options_.hardware},
            {"weight_bits", std::to_string(options_.weight_bits)},
            {"activation_bits", std::to_string(options_.activation_bits)}};
}

}  // namespace

int run_experiment(const Options& options, int argc, const char* const* argv) {
    if (!options.answer.empty()) {
        std::cout << options.answer;
        return 0;
    }
    if (answered(options)) return 0;
    check_names(options);
    use_threads(options.threads);
    if (previewed(options)) return 0;
    install_signal_handlers();
    return Experiment(options, argc, argv).run();
}

}  // namespace gradus
