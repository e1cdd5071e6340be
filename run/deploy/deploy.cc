#include "run/deploy/deploy.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "integer/lower.h"
#include "io/golden.h"
#include "io/program_file.h"
#include "io/safetensors.h"
#include "quant/ptq/subgraph.h"
#include "run/console_table.h"
#include "run/deploy/deploy_report.h"
#include "run/deploy/export.h"
#include "run/deploy/logits_files.h"
#include "run/deploy/open_run.h"
#include "run/printable.h"
#include "run/shell_word.h"
#include "run/signals.h"
#include "run/threads.h"
#include "run/train/assemble.h"
#include "run/train/checkpoint.h"
#include "run/train/evaluate.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t kGoldenImages = 4;

// Every file appears whole or not at all, so an interruption leaves nothing to clean up.
void stop_if_interrupted(const char* when) {
    check_kind(!interrupted(), ErrorKind::interrupted, "interrupted ", when,
               "; nothing is left half written");
}

class Deployment {
  public:
    explicit Deployment(const DeployOptions& options);
    int run();

  private:
    void compare_with_trained();
    void measure();
    void write_golden();
    static void count(Accuracy& accuracy, const Tensor& logits, const Tensor& labels);
    std::vector<std::string> differences() const;
    Result result() const;
    FinalFacts final_facts() const;
    void print(const std::vector<std::string>& differences) const;
    int64_t images_wanted() const;

    const DeployOptions& options_;
    OpenedRun run_;
    Program program_;
    Measurement measured_;
    std::optional<Gap> gap_;
    std::optional<LogitsFiles> logits_;
    Progress progress_;
    bool program_compared_ = false;
    Accuracy float_, simulated_, integer_, free_;  // free: the float simulation of --gap
};

Deployment::Deployment(const DeployOptions& options)
    : options_(options),
      run_(open_run(options.run, options.hardware, options.data_path)),
      program_(lower(run_.model)),
      measured_(run_.model, program_, run_.network),
      progress_(std::cerr, progress_settings(false, false, 1 << 30)) {
    compare_with_trained();
    const int64_t all = run_.data.test->size();
    if (options.images > all) {
        progress_.warn(join("warning: --images ", options.images, ": the test set has ", all,
                            ", all of them are taken"));
    }
    stop_if_interrupted("before the first image");
    if (options.gap) gap_.emplace(run_.model, program_);
    if (!options.logits.empty()) logits_.emplace(options.logits);
}

// Checks that the network lowers to the same program that ./train saved, on the run's own hardware.
void Deployment::compare_with_trained() {
    const std::string file = options_.run + "/program.safetensors";
    if (!std::filesystem::exists(file)) {
        return progress_.warn(join("note: ", file,
                                   " is missing: what ./train left is not compared ",
                                   "with what model.safetensors is lowered to now"));
    }
    const std::vector<std::string> differ =
        options_.hardware.empty()
            ? compare_constants(run_.model, load_program(file))
            : compare_constants(trained_model(options_.run, run_.network), load_program(file));
    program_compared_ = true;
    if (differ.empty()) return;
    const size_t more = differ.size() - 1;
    fail(ErrorKind::runtime, file, " is not what model.safetensors is lowered to: ", differ[0],
         more == 0 ? "" : join(" (and ", more, more == 1 ? " other)" : " others)"),
         "; a file of the run was changed since training, or another version made it: restore it ",
         "or train again");
}

int64_t Deployment::images_wanted() const {
    const int64_t all = run_.data.test->size();
    if (options_.images >= 0) return std::min(options_.images, all);
    return options_.golden.empty() ? all : std::min(kGoldenImages, all);
}

void Deployment::count(Accuracy& accuracy, const Tensor& logits, const Tensor& labels) {
    accuracy.images += labels.numel();
    accuracy.correct += count_correct(logits, labels);
}

void Deployment::measure() {
    Loader loader(run_.data.test, evaluation_loader());
    loader.start(0);
    for (int64_t left = images_wanted(); left > 0;) {
        const auto batch = loader.next();
        report_damage(*run_.data.test, progress_);
        if (!batch) break;  // damaged images are left out
        const int64_t size = std::min(left, batch->labels.numel());
        const Tensor images = samples(batch->images, 0, size);
        const Tensor labels = samples(batch->labels, 0, size);
        const BatchOutcome outcome = measured_.add(images, IntegerKernel::fastest);
        count(float_, measured_.float_logits(), labels);
        if (gap_) count(free_, gap_->add(images, IntegerKernel::fastest), labels);
        if (logits_) logits_->add(labels, measured_.float_logits(), outcome);
        count(simulated_, outcome.simulated_logits, labels);
        count(integer_, outcome.integer_logits, labels);
        left -= size;
        progress_.count("integers", integer_.images, images_wanted());
        stop_if_interrupted("during evaluation");
    }
    progress_.clear();
    if (logits_) logits_->save();
}

void Deployment::write_golden() {
    LoaderOptions all_at_once = evaluation_loader();
    all_at_once.batch_size = images_wanted();
    Loader loader(run_.data.test, all_at_once);
    loader.start(0);
    const Tensor images = loader.next()->images;
    save_golden(options_.golden, run_.model, program_, images, run_facts(run_),
                [] { stop_if_interrupted("while writing the bundle"); });
    progress_.line(join("golden bundle of ", images.shape()[0], " images in ", options_.golden,
                        "; ./deploy --verify ", shell_word(options_.golden), " replays it"));
}

std::vector<std::string> Deployment::differences() const {
    std::vector<std::string> all;
    const int64_t refuted = gap_ ? gap_->total().proven_different : 0;
    if (refuted > 0) all.push_back(join(refuted, " codes differ that the certificate proves"));
    if (run_.options.simulate == "qdq") return all;
    const Comparison& c = measured_.comparison();
    if (!c.first_different().empty()) all.push_back("codes differ first in " + c.first_different());
    if (c.logits_different() > 0) {
        all.push_back(join("logits of ", c.logits_different(), " images differ"));
    }
    return all;
}

Result Deployment::result() const {
    const Comparison& c = measured_.comparison();
    Result result;
    result.model = run_.options.model;
    result.algo = run_.options.algo;
    result.hardware = run_.options.hardware;
    result.simulate = run_.options.simulate;
    result.weight_bits = run_.options.weight_bits;
    result.activation_bits = run_.options.activation_bits;
    result.float_top1 = float_.top1();
    result.simulated_top1 = simulated_.top1();
    result.integer_top1 = integer_.top1();
    result.predictions_compared = c.predictions_compared();
    result.predictions_different = c.predictions_different();
    result.codes_compared = c.codes_compared();
    result.codes_different = c.codes_different();
    result.weights_sha256 =
        tensors_sha256(load_safetensors(options_.run + "/model.safetensors").tensors);
    return result;
}

FinalFacts Deployment::final_facts() const {
    FinalFacts facts;
    facts.float_nodes = program_.float_nodes();
    facts.float_weight_bytes = run_.network.trainable_count() * 4;
    facts.packed_weight_bytes = program_.packed_bytes();
    return facts;
}

void Deployment::print(const std::vector<std::string>& differences) const {
    const Hardware& hardware = *run_.model.hardware;
    const DeployFacts facts{options_.run,
                            rules_text(hardware, run_.model.recipe.accumulator),
                            !hardware.exact,
                            run_.options.accumulator,
                            program_compared_,
                            differences,
                            gap_ ? &*gap_ : nullptr,
                            free_.top1()};
    if (options_.json) {
        std::cout << deploy_json(measured_, result(), final_facts(), facts);
        return;
    }
    const bool utf8 = stream_is_utf8(1);
    if (options_.layers) {
        print_measures(std::cout, measured_, utf8);
        std::cout << '\n';
    }
    if (gap_) {
        print_gap(std::cout, *gap_, free_.top1(), utf8);
        std::cout << '\n';
    }
    print_final_table(std::cout, result(), final_facts(), utf8);
    std::cout << "float: the network without its quantizers, on the same weights\n";
    std::cout << "rules: " << facts.rules << (facts.nominal ? ", nominal: " : ", exact: ")
              << hardware.evidence << '\n';
}

int Deployment::run() {
    const std::vector<std::string> written = write_exports(options_, run_, program_);
    const std::string& name = run_.options.hardware;
    progress_.line(join(options_.run, ": ", run_.options.model, ", stem ", run_.stem, ", ",
                        algorithms_text(run_.options), " on ", name));
    progress_.line(run_.data.announcement);
    if (!options_.data_path.empty() && run_.options.dataset == "synthetic") {
        progress_.warn("warning: --data-path has no effect on images that this program draws");
    }
    if (options_.json && options_.given.contains("layers")) {
        progress_.warn("warning: --layers has no effect with --json, which always has them");
    }
    for (const std::string& line : written) progress_.line(line);
    measure();
    if (!options_.golden.empty()) write_golden();
    const std::vector<std::string> found = differences();
    print(found);
    if (const std::string note = float_range_note(measured_); !note.empty()) progress_.line(note);
    if (const std::string note = measured_.saturation_note(); !note.empty()) progress_.line(note);
    if (found.empty()) return 0;
    std::string text = "error: simulation and integers differ: " + found[0];
    for (size_t i = 1; i < found.size(); ++i) text += "; " + found[i];
    progress_.warn(text + "; --golden DIR writes what every layer reads and gives");
    return 1;
}

nlohmann::ordered_json layer_json(const GoldenLayer& layer) {
    return {{"layer", layer.folder},
            {"op", layer.op},
            {"replayed", layer.replayed},
            {"difference", layer.difference}};
}

// Prints a line for each layer and stops after the first that differs.
int verify(const DeployOptions& options) {
    const std::vector<GoldenLayer> layers =
        verify_golden(options.verify, [] { stop_if_interrupted("while replaying"); });
    const std::string& difference = layers.back().difference;
    nlohmann::ordered_json json{{"equal", difference.empty()}, {"layers", nlohmann::json::array()}};
    for (const GoldenLayer& layer : layers) {
        json["layers"].push_back(layer_json(layer));
        if (options.json || !options.layers) continue;
        std::cout << printable(layer.folder + "  " + layer.op) << "  "
                  << (!layer.difference.empty() ? "differs"
                      : layer.replayed          ? "equal"
                                                : "whole; computed in float, not replayed")
                  << '\n';
    }
    if (options.json) std::cout << json.dump(2) << '\n';
    if (difference.empty()) {
        if (!options.json) std::cout << printable(options.verify) << ": every layer replays\n";
        return 0;
    }
    std::cerr << "error: " << printable(options.verify + " differs: " + difference) << '\n';
    return 1;
}

}  // namespace

int run_deploy(const DeployOptions& options) {
    if (!options.answer.empty()) {
        std::cout << options.answer;
        return 0;
    }
    use_threads(options.threads);
    install_signal_handlers("stopping");
    if (!options.verify.empty()) return verify(options);
    if (!options.golden.empty()) check_golden_folder(options.golden);
    if (!options.onnx.empty() && options_of_run(options.run).algo == "none") {
        return export_float(options);
    }
    return Deployment(options).run();
}

}  // namespace gradus
