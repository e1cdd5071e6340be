// trainer -- a phase of training, and its state after an interruption.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/training_process.h"

using namespace gradus;

namespace {

int64_t row_count(const std::string& path) {
    const std::string rows = read_bytes(path);
    return std::count(rows.begin(), rows.end(), '\n');
}

}  // namespace

BOOST_AUTO_TEST_SUITE(trainer, *boost::unit_test::label("network"))

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
            Process second(hardware, broken.path(""), 99);  // other initial weights, no calibration
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

// Frozen from the second of three epochs on, for every folding: killed before and after that point.
BOOST_AUTO_TEST_CASE(statistics_freeze_after_their_epochs_also_in_a_resumed_run) {
    PhaseSettings settings = Process::settings();
    settings.freeze_epoch = 1;
    for (const int folding : {-1, 0, 2, 3, 4}) {
        Recipe recipe;
        recipe.hardware = "academic";
        recipe.bn_fold = folding;
        const TemporaryFolder folder;
        const auto whole = started(recipe, folder);
        std::vector<std::string> statistics;  // after the calibration, and after each epoch
        const auto note = [&] {
            std::string bytes;
            for (const auto& p : whole->parameters) {
                if (p->name.find("running_") == std::string::npos) continue;
                bytes.append(static_cast<const char*>(p->value.raw()), p->value.bytes());
            }
            statistics.push_back(bytes);
            return Accuracy();
        };
        note();
        whole->train(settings, 0, note);
        BOOST_REQUIRE(statistics.size() == 4u);
        BOOST_TEST((statistics[1] == statistics[0]) == (folding == 0), folding);
        BOOST_TEST((statistics[2] == statistics[1]), folding);
        BOOST_TEST((statistics[3] == statistics[1]), folding);
        for (const int64_t step : {4, 8}) {
            const TemporaryFolder broken;
            const auto first = started(recipe, broken);
            BOOST_CHECK_THROW(first->train(settings, step), Killed);
            Process second(recipe, broken.path(""), 99);
            BOOST_REQUIRE(second.load());
            second.train(settings);
            const std::vector<Tensor> found = second.tensors(), expected = whole->tensors();
            BOOST_REQUIRE(found.size() == expected.size());
            for (size_t i = 0; i < found.size(); ++i) {
                BOOST_TEST(same_bits(found[i], expected[i]), folding << " tensor " << i);
            }
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

// Codes hide NaN: the loss alone would not show it.
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
