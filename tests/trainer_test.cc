// trainer -- a phase of training, and what becomes of it when it is broken off.
#include "run/trainer.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <optional>
#include <sstream>

#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

// 44 noisy images in five classes: a bright square whose row tells the class.
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

    // hardware "": the float network. `seed` is that of the first weights.
    Process(const std::string& hardware, const std::string& path, uint64_t seed)
        : float_graph(small_network(seed)), store(path), folder(path) {
        position.phase = hardware.empty() ? "float" : "quantized";
        if (!hardware.empty()) {
            Recipe recipe;
            recipe.hardware = hardware;
            model = quantize(float_graph, recipe);
        }
        parameters = graph().parameters();
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

int64_t row_count(const std::string& path) {
    const std::string rows = read_bytes(path);
    return std::count(rows.begin(), rows.end(), '\n');
}

// A process that has not been broken off, calibrated where that applies.
std::unique_ptr<Process> started(const std::string& hardware, const TemporaryFolder& folder) {
    auto process = std::make_unique<Process>(hardware, folder.path(""), 1);
    if (process->model) calibrate(*process->model, small_images(32));
    return process;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(trainer)

BOOST_AUTO_TEST_CASE(a_run_that_is_killed_and_resumed_gives_the_same_bits) {
    for (const std::string hardware : {"", "onnxruntime", "academic"}) {
        const TemporaryFolder folder;
        const auto whole = started(hardware, folder);
        whole->train();
        const std::vector<Tensor> expected = whole->tensors();
        BOOST_TEST(whole->position.step == 15);
        // In the middle of an epoch, at its last step, after the first step, after the last one.
        for (const int64_t step : {7, 10, 1, 15}) {
            const TemporaryFolder broken;
            const auto first = started(hardware, broken);
            BOOST_CHECK_THROW(first->train(Process::settings(), step), Killed);
            Process second(hardware, broken.path(""), 99);  // other first weights, no calibration
            BOOST_REQUIRE(second.load());
            BOOST_TEST(second.position.step == step);
            second.train();
            const std::vector<Tensor> tensors = second.tensors();
            BOOST_REQUIRE(tensors.size() == expected.size());
            for (size_t i = 0; i < tensors.size(); ++i) {
                BOOST_TEST(same_bits(tensors[i], expected[i]),
                           hardware << " step " << step << " tensor " << i);
            }
            BOOST_TEST(second.position.step == 15);
            BOOST_TEST(row_count(broken.path("metrics.csv")) == 4);  // a head and three epochs
        }
    }
}

BOOST_AUTO_TEST_CASE(an_epoch_is_not_lost_when_its_evaluation_is_interrupted) {
    const TemporaryFolder folder, broken;
    Process whole("", folder.path(""), 1), first("", broken.path(""), 1),
        second("", broken.path(""), 2);
    whole.train();
    BOOST_TEST(throws(ErrorKind::interrupted, {"enough"}, [&] {
        first.train(Process::settings(), 0,
                    []() -> Accuracy { fail(ErrorKind::interrupted, "enough"); });
    }));
    BOOST_REQUIRE(second.load());
    BOOST_TEST(second.position.step == 5);
    second.train();
    BOOST_TEST(same_bits(whole.parameters[0]->value, second.parameters[0]->value));
    const auto first_row = [](const TemporaryFolder& where) {  // without its speed
        std::istringstream rows(read_bytes(where.path("metrics.csv")));
        std::string row;
        std::getline(rows, row);
        std::getline(rows, row);
        return row.substr(0, row.rfind(','));
    };
    BOOST_TEST(first_row(broken) == first_row(folder));
}

BOOST_AUTO_TEST_CASE(training_changes_what_it_should) {
    const TemporaryFolder folder;
    Process process("", folder.path(""), 1);
    const Graph untouched = small_network(1);
    process.train();
    for (size_t i = 0; i < process.parameters.size(); ++i) {
        BOOST_TEST(!same_bits(process.parameters[i]->value, untouched.parameters()[i]->value),
                   process.parameters[i]->name);
    }
    BOOST_TEST(row_count(folder.path("metrics.csv")) == 4);    // a head and three epochs
    BOOST_TEST(row_count(folder.path("metrics.jsonl")) == 7);  // every second of 15 steps
}

BOOST_AUTO_TEST_CASE(the_loss_falls) {
    const TemporaryFolder folder;
    Process process("", folder.path(""), 1);
    PhaseSettings settings = Process::settings();
    settings.epochs = 12;
    double last = NAN, first = NAN;
    settings.log_interval = 1000;
    process.train(settings);
    std::istringstream rows(read_bytes(folder.path("metrics.csv")));
    std::string row;
    std::getline(rows, row);
    while (std::getline(rows, row)) {
        std::istringstream cells(row);
        std::string cell;
        for (int i = 0; i < 4; ++i) std::getline(cells, cell, ',');
        last = std::stod(cell);
        if (std::isnan(first)) first = last;
    }
    BOOST_TEST(last < 0.7 * first, "from " << first << " to " << last);
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
    for (const std::string hardware : {"", "onnxruntime", "academic"}) {
        BOOST_TEST(same_with_threads([&] {
                       const TemporaryFolder folder;
                       const auto process = started(hardware, folder);
                       PhaseSettings settings = Process::settings();
                       settings.max_steps = 4;
                       process->train(settings);
                       return process->tensors();
                   }),
                   hardware);
    }
}

BOOST_AUTO_TEST_CASE(max_steps_end_the_phase_and_its_schedule) {
    PhaseSettings settings = Process::settings();
    settings.max_steps = 7;
    BOOST_TEST(settings.total_steps(5) == 7);
    BOOST_TEST(std::abs(settings.schedule(5).at(7)) < 1e-12);
    settings.max_steps = 100;
    BOOST_TEST(settings.total_steps(5) == 15);
    settings.max_steps = 1;
    BOOST_TEST(settings.schedule(5).at(1) == settings.lr);
    const TemporaryFolder folder;
    Process process("", folder.path(""), 1);
    settings.max_steps = 7;
    process.train(settings);
    BOOST_TEST(process.position.step == 7);
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_not_finite_names_layer_and_step) {
    const TemporaryFolder folder;
    Process spoilt("", folder.path(""), 1);
    const Graph& graph = spoilt.graph();
    const auto spoil = [&] {  // between the epochs
        graph.node(graph.find("block2.conv1.weight")).parameter->value.data<float>()[0] = NAN;
        return Accuracy();
    };
    BOOST_TEST(throws(ErrorKind::diverged,
                      {"the loss is nan", "float step 6;", "first in block2.conv1.weight;",
                       "a lower --float-lr than 0.05"},
                      [&] { spoilt.train(Process::settings(), 0, spoil); }));

    Process fast("", folder.path(""), 1);
    PhaseSettings settings = Process::settings();
    settings.lr = 1e30;
    settings.name = "quantized";
    BOOST_TEST(throws(ErrorKind::diverged, {"quantized step ", "a lower --lr than 1e+30"},
                      [&] { fast.train(settings); }));
}

// Codes hide NaN: the loss alone would not tell.
BOOST_AUTO_TEST_CASE(a_quantized_network_that_diverged_is_found) {
    for (const std::string hardware : {"onnxruntime", "academic"}) {
        const TemporaryFolder folder;
        const auto process = started(hardware, folder);
        PhaseSettings settings = Process::settings();
        settings.lr = 1e30;
        BOOST_TEST(throws(ErrorKind::diverged, {"diverged: ", "step "},
                          [&] { process->train(settings); }));
        BOOST_TEST(process->position.step < 5);
        BOOST_TEST(folder.names().size() == 2);  // the metrics, no checkpoint

        const auto spoilt = started(hardware, folder);
        Parameter& scale = *spoilt->model->quantizers.back()->parameters.front();
        scale.value.data<float>()[0] = NAN;
        BOOST_TEST(throws(ErrorKind::diverged, {scale.name, "step 0;"}, [&] { spoilt->train(); }));
    }
}

BOOST_AUTO_TEST_CASE(medians) {
    BOOST_TEST(median({3.0, 1.0, 2.0}) == 2.0);
    BOOST_TEST(median({5.0}) == 5.0);
    BOOST_TEST(std::isnan(median({})));
}

BOOST_AUTO_TEST_SUITE_END()
