// ./train runs to the end, to a stop, to a crash, and resumes with the same bits.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "io/safetensors.h"
#include "io/sha256.h"
#include "run/train/result.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

using Arguments = std::vector<std::string>;

// Four float and four quantized steps: one epoch and a bit of each, on the data below.
Arguments recipe(const TemporaryFolder& data, const Arguments& more) {
    Arguments all{"--dataset",      "mnist", "--data-path", data.path(""),
                  "--batch-size",   "16",    "--max-steps", "4",
                  "--log-interval", "1",     "--lr",        "0.001",
                  "--float-lr",     "0.01",  "--seed",      "5",
                  "--stem",         "half",  "--epochs",    "4",
                  "--float-epochs", "6"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

// A complete run that the tests share, as it takes seconds.
struct Reference {
    TemporaryFolder data, runs;
    ProcessOutcome end;
    Result result;

    Reference() {
        write_tiny_data(data);
        end = run_train(recipe(data, {"--output", folder(), "--threads", "1"}));
        if (end.code == 0) result = read_result(folder() + "/result.json");
    }
    std::string folder() const { return runs.path("run"); }
};

const Reference& reference() {
    static const Reference run;
    return run;
}

std::string sha_of(const std::string& folder) {
    return read_result(folder + "/result.json").weights_sha256.value_or("none");
}

// The only line that begins with `start`; "" if there is none or more than one.
std::string only_line(const std::string& text, const std::string& start) {
    std::istringstream lines(text);
    std::string found;
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind(start, 0) != 0) continue;
        found = line;
        ++count;
    }
    return count == 1 ? found : "";
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The words after "./train" in the line that an interrupted run leaves.
Arguments resume_arguments(const std::string& err) {
    std::istringstream words(only_line(err, "interrupted; resume with: "));
    Arguments all;
    for (std::string word; words >> word;) all.push_back(word);
    const auto program = std::find(all.begin(), all.end(), "./train");
    return {program == all.end() ? program : program + 1, all.end()};
}

void flip_a_bit(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(10'000'000);
    const char byte = static_cast<char>(file.peek() ^ 1);
    file.seekp(10'000'000);
    file.put(byte);
    BOOST_REQUIRE(file.good());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_runs, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(a_run_leaves_a_complete_folder) {
    const Reference& run = reference();
    BOOST_REQUIRE_MESSAGE(run.end.code == 0, run.end.err);
    BOOST_TEST(contains(run.end.out, "simulation"), run.end.out);
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(run.folder())) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    const std::vector<std::string> expected{
        "config.toml",   "float.safetensors", "last.safetensors",     "metrics.csv",
        "metrics.jsonl", "model.safetensors", "previous.safetensors", "program.safetensors",
        "result.json",   "run.json"};
    BOOST_TEST(names == expected, boost::test_tools::per_element());
    const std::string rows = read_bytes(run.folder() + "/metrics.jsonl");
    BOOST_TEST(std::count(rows.begin(), rows.end(), '\n') == 8);
    BOOST_TEST(load_safetensors(run.folder() + "/model.safetensors")
                   .tensors.at("layer2.0.conv1.weight")
                   .shape() == Shape({128, 64, 3, 3}));
}

BOOST_AUTO_TEST_CASE(the_result_has_its_keys_in_order_and_nothing_differs) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    std::istringstream lines(read_bytes(run.folder() + "/result.json"));
    std::string keys;
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("  \"", 0) == 0) keys += line.substr(3, line.find('"', 3) - 3) + " ";
    }
    BOOST_TEST(keys ==
               "model algo weight_algo activation_algo hardware simulate weight_bits "
               "activation_bits float_top1 calibrated_top1 "
               "simulated_top1 integer_top1 predictions_compared predictions_different "
               "codes_compared codes_different images_per_second peak_rss_bytes weights_sha256 "
               "parameters seconds ");
    const Result& r = run.result;
    BOOST_TEST(*r.predictions_compared == 30);
    BOOST_TEST(*r.predictions_different == 0);
    BOOST_TEST(*r.codes_compared > 30 * 1000);
    BOOST_TEST(*r.codes_different == 0);
    BOOST_TEST(*r.simulated_top1 == *r.integer_top1);
    BOOST_TEST(r.float_top1.has_value());
    BOOST_TEST(*r.images_per_second > 0);
    BOOST_TEST(*r.parameters == 11172810);
    BOOST_TEST(*r.weights_sha256 ==
               tensors_sha256(load_safetensors(run.folder() + "/model.safetensors").tensors));
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_weights) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    const ProcessOutcome end = run_train(
        recipe(run.data, {"--output", runs.path("run"), "--threads", "2", "--json", "--quiet"}));
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(sha_of(runs.path("run")) == *run.result.weights_sha256);
    BOOST_TEST(end.out == read_bytes(runs.path("run/result.json")));  // --json, nothing next to it
}

// One run goes through Ctrl-C, a full disk, other data, a damaged checkpoint and a SIGKILL. Its
// final weights do not show it.
BOOST_AUTO_TEST_CASE(a_run_survives_everything) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    const std::string folder = runs.path("run");

    TrainProcess first(
        recipe(run.data, {"--output", folder, "--threads", "1", "--save-every", "1"}));
    BOOST_REQUIRE(first.wait_for("float 1/6 [2/3]"));
    first.send(SIGINT);
    const ProcessOutcome stopped = first.wait();
    BOOST_TEST(stopped.code == 130);
    const Arguments resume = resume_arguments(stopped.err);
    BOOST_REQUIRE_MESSAGE(!resume.empty(), stopped.err);
    BOOST_TEST(!std::filesystem::exists(folder + "/result.json"));

    const std::string last = sha256_file(folder + "/last.safetensors");
    const std::string previous = sha256_file(folder + "/previous.safetensors");
    const ProcessOutcome full = run_train(resume, 20'000'000);
    BOOST_TEST(full.code == 1);
    BOOST_TEST(contains(only_line(full.err, "error: "), "safetensors"), full.err);
    BOOST_TEST(sha256_file(folder + "/last.safetensors") == last);
    BOOST_TEST(sha256_file(folder + "/previous.safetensors") == previous);

    const TemporaryFolder other;
    write_tiny_data(other);
    other.file("train-labels-idx1-ubyte", idx_file(48, 0, 8));
    Arguments elsewhere = resume;
    elsewhere.insert(elsewhere.end(), {"--data-path", other.path("")});
    const ProcessOutcome strange = run_train(elsewhere);
    BOOST_TEST(strange.code == 3);
    BOOST_TEST(contains(only_line(strange.err, "error: "), "other images"), strange.err);

    flip_a_bit(folder + "/last.safetensors");
    TrainProcess second(resume);
    BOOST_REQUIRE(second.wait_for("quantized 1/4 [2/3]"));
    second.send(SIGKILL);
    const ProcessOutcome killed = second.wait();
    BOOST_TEST(killed.code == -SIGKILL);
    const std::string warning = only_line(killed.err, "warning: ");
    BOOST_TEST(contains(warning, "last.safetensors"), killed.err);
    BOOST_TEST(contains(warning, "going on from " + folder + "/previous.safetensors"), killed.err);

    const ProcessOutcome end = run_train({"--resume", folder});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(contains(end.err, "going on after step"), end.err);
    BOOST_TEST(sha_of(folder) == *run.result.weights_sha256);
    // The rows of the metrics equal those of a run without interruptions.
    for (const char* file : {"/metrics.csv", "/metrics.jsonl"}) {
        const std::string rows = read_bytes(folder + file);
        const std::string expected = read_bytes(run.folder() + file);
        BOOST_TEST(std::count(rows.begin(), rows.end(), '\n') ==
                   std::count(expected.begin(), expected.end(), '\n'));
    }
    BOOST_TEST(run_train({"--resume", folder}).code == 2);  // it is finished
}

// The checkpoint includes the float parameters that merging drops: a run that is stopped while it
// trains them resumes with the same bits.
BOOST_AUTO_TEST_CASE(a_merged_run_survives_a_stop_of_its_float_phase) {
    const Reference& run = reference();
    const TemporaryFolder runs;
    const auto arguments = [&](const char* name) {
        return recipe(run.data, {"--bn-fold", "merge", "--threads", "1", "--save-every", "1",
                                 "--output", runs.path(name)});
    };
    const ProcessOutcome whole = run_train(arguments("whole"));
    BOOST_REQUIRE_MESSAGE(whole.code == 0, whole.err);
    BOOST_TEST(*read_result(runs.path("whole/result.json")).codes_different == 0);
    const auto tensors = load_safetensors(runs.path("whole/model.safetensors")).tensors;
    BOOST_TEST(tensors.count("conv1.weight.merged") == 1u);
    BOOST_TEST(tensors.count("bn1.weight") == 0u);
    BOOST_TEST(contains(read_bytes(runs.path("whole/run.json")), "\"bn_fold\": 0"));

    TrainProcess first(arguments("stopped"));
    BOOST_REQUIRE(first.wait_for("float 1/6 [2/3]"));
    first.send(SIGINT);
    const ProcessOutcome end = run_train(resume_arguments(first.wait().err));
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(sha_of(runs.path("stopped")) == sha_of(runs.path("whole")));
}

BOOST_AUTO_TEST_CASE(statistics_freeze_where_they_are_asked_to) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    const auto statistics = [&](const char* epoch) {
        const std::string folder = runs.path(std::string("frozen") + epoch);
        const ProcessOutcome end = run_train(recipe(
            run.data, {"--weights", run.folder() + "/float.safetensors", "--bn-fold", "whitepaper",
                       "--freeze-bn-epoch", epoch, "--threads", "1", "--output", folder}));
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        BOOST_TEST(*read_result(folder + "/result.json").codes_different == 0);
        return load_safetensors(folder + "/model.safetensors").tensors.at("bn1.running_mean");
    };
    const Tensor start =
        load_safetensors(run.folder() + "/float.safetensors").tensors.at("bn1.running_mean");
    BOOST_TEST((statistics("0").to_vector<float>() == start.to_vector<float>()));
    BOOST_TEST((statistics("1").to_vector<float>() != start.to_vector<float>()));
}

// From given float weights, on the other hardware, and with the other simulation.
BOOST_AUTO_TEST_CASE(given_weights_serve_instead_of_float_training) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    struct Case {
        const char *hardware, *simulate;
        bool floats, differs;
    };
    for (const Case& c :
         {Case{"academic", "exact", true, false}, Case{"onnxruntime", "qdq", false, true}}) {
        const std::string folder = runs.path(c.hardware);
        const ProcessOutcome end = run_train(recipe(
            run.data, {"--weights", run.folder() + "/float.safetensors", "--hardware", c.hardware,
                       "--simulate", c.simulate, "--threads", "1", "--output", folder}));
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        const Result result = read_result(folder + "/result.json");
        BOOST_TEST(*result.float_top1 == *run.result.float_top1);
        BOOST_TEST((*result.codes_different > 0) == c.differs, c.simulate);
        BOOST_TEST(contains(end.out, "float nodes: 0") == !c.floats, end.out);
    }
}

// A stop in the middle of reconstruction resumes before calibration.
BOOST_AUTO_TEST_CASE(what_follows_calibration_can_be_stopped_and_done_again) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    const auto arguments = [&](const char* name) {
        return recipe(run.data, {"--weights", run.folder() + "/float.safetensors", "--epochs", "0",
                                 "--weight-bits", "2", "--equalize", "--ptq", "brecq",
                                 "--ptq-steps", "3", "--ptq-images", "16", "--correct-bias",
                                 "--threads", "1", "--output", runs.path(name)});
    };
    const ProcessOutcome whole = run_train(arguments("whole"));
    BOOST_REQUIRE_MESSAGE(whole.code == 0, whole.err);
    BOOST_TEST(contains(whole.err, "equalized layer1.0.conv1 and layer1.0.conv2"), whole.err);
    BOOST_TEST(contains(whole.err, "brecq layer1.0.conv1 to layer1.0.conv2: error "), whole.err);
    BOOST_TEST(contains(whole.err, "corrected the biases of 21 layers"), whole.err);
    BOOST_TEST(*read_result(runs.path("whole/result.json")).codes_different == 0);

    TrainProcess first(arguments("stopped"));
    BOOST_REQUIRE(first.wait_for("brecq conv1: error"));
    first.send(SIGINT);
    const ProcessOutcome stopped = first.wait();
    BOOST_TEST(stopped.code == 130);
    const ProcessOutcome end = run_train(resume_arguments(stopped.err));
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(sha_of(runs.path("stopped")) == sha_of(runs.path("whole")));
}

BOOST_AUTO_TEST_CASE(without_an_algorithm_only_the_float_network_is_trained) {
    const Reference& run = reference();
    const TemporaryFolder runs;
    const std::string folder = runs.path("run");
    const ProcessOutcome end =
        run_train(recipe(run.data, {"--algo", "none", "--threads", "1", "--output", folder}));
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const Result result = read_result(folder + "/result.json");
    BOOST_TEST(*result.float_top1 == *run.result.float_top1);
    BOOST_TEST(!result.weight_bits.has_value());
    BOOST_TEST(!result.integer_top1.has_value());
    BOOST_TEST(!std::filesystem::exists(folder + "/program.safetensors"));
    // The same float network as at the start of the quantized run.
    BOOST_TEST(*result.weights_sha256 ==
               tensors_sha256(load_safetensors(run.folder() + "/float.safetensors").tensors));
}

// A near-zero main branch: XNNPACK cannot add an operand of 2^-10 of the sum's step.
BOOST_AUTO_TEST_CASE(what_lowering_refuses_is_refused_before_training) {
    const Reference& run = reference();
    BOOST_REQUIRE(run.end.code == 0);
    const TemporaryFolder runs;
    SafetensorsFile file = load_safetensors(run.folder() + "/float.safetensors");
    for (const char* name : {"layer1.0.bn2.weight", "layer1.0.bn2.bias"}) {
        Tensor& values = file.tensors.at(name);
        for (int64_t i = 0; i < values.numel(); ++i) values.data<float>()[i] *= 1e-6f;
    }
    save_safetensors(runs.path("weights"), file.tensors, file.metadata);
    const std::string folder = runs.path("run");
    const ProcessOutcome end =
        run_train(recipe(run.data, {"--weights", runs.path("weights"), "--hardware", "xnnpack",
                                    "--threads", "1", "--output", folder}));
    BOOST_TEST(end.code == 1);
    const std::string error = only_line(end.err, "error: lower: ");
    BOOST_TEST(contains(error, "layer1.0.add: the ratios"), end.err);
    BOOST_TEST(contains(error, "XNNPACK needs both in"), end.err);
    const std::string metrics = folder + "/metrics.csv";
    BOOST_TEST((!std::filesystem::exists(metrics) || !contains(read_bytes(metrics), "quantized")));
}

BOOST_AUTO_TEST_CASE(a_rate_out_of_all_bounds_is_4_and_names_parameter_and_step) {
    const TemporaryFolder runs;
    const ProcessOutcome end =
        run_train(recipe(reference().data, {"--float-lr", "1e30", "--threads", "1", "--quiet",
                                            "--output", runs.path("run")}));
    BOOST_TEST(end.code == 4);
    BOOST_TEST(end.out == "");
    const std::string error = only_line(end.err, "error: ");
    BOOST_TEST(contains(error, "float step "), end.err);
    BOOST_TEST(contains(error, "at the start of the phase"), end.err);
    BOOST_TEST(contains(error, "--float-lr"), end.err);
}

// Fixed scales clip weights of any size; the loss stays finite.
BOOST_AUTO_TEST_CASE(a_run_that_ran_away_is_4_and_names_the_flag_of_its_phase) {
    const auto run = [](const Arguments& more) {
        const TemporaryFolder runs;
        Arguments all{"--dataset",    "synthetic",
                      "--model",      "resnet20",
                      "--image-size", "8",
                      "--batch-size", "16",
                      "--max-steps",  "8",
                      "--threads",    "1",
                      "--output",     runs.path("run"),
                      "--quiet"};
        all.insert(all.end(), more.begin(), more.end());
        return run_train(all);
    };
    for (const char* algorithm : {"minmax", "dorefa"}) {
        const ProcessOutcome end =
            run({"--algo", algorithm, "--lr", "1000", "--float-epochs", "1"});
        BOOST_TEST(end.code == 4);
        const std::string error = only_line(end.err, "error: diverged: ");
        BOOST_TEST(contains(error, "quantized step "), end.err);
        BOOST_TEST(contains(error, "at the start of the phase"), end.err);
        BOOST_TEST(contains(error, "a lower --lr than 1000 may help"), end.err);
    }
    const ProcessOutcome end = run({"--algo", "minmax", "--float-lr", "1000", "--epochs", "0"});
    BOOST_TEST(end.code == 4);
    BOOST_TEST(contains(end.err, "float step "), end.err);
    BOOST_TEST(contains(end.err, "a lower --float-lr than 1000 may help"), end.err);
}

BOOST_AUTO_TEST_SUITE_END()
