// training_process -- a small run, with everything that a process holds while it trains.
#pragma once

#include <memory>
#include <optional>
#include <sstream>

#include "run/train/assemble.h"
#include "run/train/trainer.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

namespace gradus {

// 44 noisy images in five classes: the row of a bright square is the class.
class SmallData : public Dataset {
  public:
    SmallData() : Dataset({"small", {"a", "b", "c", "d", "e"}, 44, {12, 12, 1}, {0.3f}, {0.3f}}) {}
    int64_t label(int64_t index) const override { return index % 5; }
    void image(int64_t index, uint8_t* pixels) const override {
        const Rng rng = Rng(7).split(static_cast<uint64_t>(index));
        for (int64_t i = 0; i < 144; ++i) {
            const bool bright = i / 12 / 2 == label(index) && i % 12 >= 4;
            pixels[i] = static_cast<uint8_t>(rng.below(i, 120) + (bright ? 100 : 0));
        }
    }
};

struct Killed {};

// Everything a process holds while it trains.
struct Process {
    Graph float_graph;
    std::optional<QuantizedModel> model;
    ParameterList parameters;
    Optimizer optimizer{OptimizerOptions{}};
    RunPosition position;
    CheckpointStore store;
    std::string folder;
    std::ostringstream screen;

    // No recipe: the float network. `seed` is for the initial weights.
    Process(const std::optional<Recipe>& recipe, const std::string& path, uint64_t seed)
        : float_graph(small_network(seed)), store(path), folder(path) {
        position.phase = recipe ? "quantized" : "float";
        if (recipe) model = quantize(float_graph, *recipe);
        parameters = graph().parameters();
    }
    // hardware "": the float network.
    Process(const std::string& hardware, const std::string& path, uint64_t seed)
        : Process(recipe_for(hardware), path, seed) {}

    static std::optional<Recipe> recipe_for(const std::string& hardware) {
        if (hardware.empty()) return std::nullopt;
        Recipe recipe;
        recipe.hardware = hardware;
        return recipe;
    }

    const Graph& graph() const { return model ? model->training : float_graph; }

    static PhaseSettings settings() {
        PhaseSettings settings;
        settings.name = "float";
        settings.epochs = 3;  // of five steps
        settings.lr = 0.05;
        settings.warmup_epochs = 0.5;
        settings.label_smoothing = 0.1f;
        settings.seed = 4;
        settings.log_interval = 2;
        return settings;
    }

    // Trains to the end, or until step `kill_at` has been saved.
    void train(
        PhaseSettings settings = Process::settings(), int64_t kill_at = 0,
        const std::function<Accuracy()>& evaluation = [] { return Accuracy(); }) {
        LoaderOptions options{8, true, true};
        options.augmentation = {1, true};
        Loader loader(std::make_shared<SmallData>(), options, Rng(4).split("float"));
        Metrics metrics(folder);
        Progress progress(screen, ProgressSettings{});
        progress.begin_phase({settings.name, static_cast<int>(settings.epochs), loader.batches()});
        settings.save_every = kill_at;
        Trainer trainer(graph(), loader, optimizer, position, metrics, progress);
        if (model) {
            trainer.watch(learned_parameters(*model));
            trainer.freeze_with(model->inference);
        }
        const auto saved = [&] {
            save();
            if (kill_at > 0 && position.step == kill_at) throw Killed();
        };
        trainer.run(settings, {saved, evaluation, [] { return std::string("again"); }});
    }

    void save() { store.save(position, parameters, optimizer, quantizers()); }
    bool load() {
        return store.load(position, parameters, optimizer, quantizers(), [](const std::string&) {});
    }
    std::vector<std::shared_ptr<Quantizer>> quantizers() const {
        return model ? model->quantizers : std::vector<std::shared_ptr<Quantizer>>();
    }

    std::vector<Tensor> tensors() const {
        std::vector<Tensor> all;
        for (const auto& parameter : parameters) all.push_back(parameter->value.clone());
        for (const auto& [name, tensor] : optimizer.export_state()) all.push_back(tensor.clone());
        return all;
    }
};

// An uninterrupted process, calibrated if it quantizes.
template <class Network>  // a hardware, or a recipe
std::unique_ptr<Process> started(const Network& network, const TemporaryFolder& folder) {
    auto process = std::make_unique<Process>(network, folder.path(""), 1);
    if (process->model) calibrate(*process->model, small_images(32));
    return process;
}

}  // namespace gradus
