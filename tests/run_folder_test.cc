// run_folder -- the files of a run, and how a resumed one continues them.
#include "run/train/run_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/files.h"

using namespace gradus;

namespace {

// Changes to a fresh working folder until the end of the scope.
class WorkingFolder {
  public:
    WorkingFolder() : before_(std::filesystem::current_path()) {
        std::filesystem::current_path(folder_.path(""));
    }
    ~WorkingFolder() { std::filesystem::current_path(before_); }

  private:
    TemporaryFolder folder_;
    std::filesystem::path before_;
};

Options output_to(const std::string& path) {
    Options options;
    options.weight_bits = options.activation_bits = options.bits;
    options.output = path;
    return options;
}

MetricsRow row(const std::string& phase, int epoch, int64_t step) {
    MetricsRow row;
    row.phase = phase;
    row.epoch = epoch;
    row.step = step;
    row.train_loss = 0.5;
    return row;
}

size_t lines_of(const std::string& path) {
    const std::string text = read_bytes(path);
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(run_folder, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(the_output_folder_is_the_run_folder) {
    const TemporaryFolder folder;
    const std::string path = folder.path("a/b");
    RunFolder run(output_to(path));
    BOOST_TEST(run.path() == path);
    BOOST_TEST(run.file("x") == path + "/x");
    BOOST_TEST(run.resume_command() == "./train --resume " + path);
    BOOST_TEST(!run.resumed());
    BOOST_TEST(read_bytes(path + "/config.toml") == config_toml(output_to(path)));
}

BOOST_AUTO_TEST_CASE(without_output_it_is_named_by_time_and_recipe) {
    const WorkingFolder here;
    const RunFolder first(output_to(""));
    const RunFolder second(output_to(""));  // in the same second
    BOOST_TEST(first.path() != second.path());
    BOOST_TEST(first.path().rfind("runs/2", 0) == 0);
    const std::string names = "-resnet18-lsq-onnxruntime";
    BOOST_TEST(first.path().size() == std::string("runs/20260131-235959").size() + names.size());
    BOOST_TEST(first.path().find(names) != std::string::npos);
    BOOST_TEST("runs/" + std::filesystem::read_symlink("runs/latest").string() == second.path());
}

BOOST_AUTO_TEST_CASE(run_json_says_everything) {
    const TemporaryFolder folder;
    const Options options = output_to(folder.path("run"));
    RunFolder run(options);
    RunFacts facts;
    facts.command = {"./train", "--lr", "0.1"};
    facts.data_sha256 = {{"train-images", "abc"}};
    facts.float_nodes = 3;
    run.write_run_json(options, facts);
    const auto json = nlohmann::json::parse(read_bytes(run.file("run.json")));
    BOOST_TEST(json["version"] == "0.1.0");
    BOOST_TEST(json.contains("commit"));
    BOOST_TEST(json["command"].size() == 3);
    BOOST_TEST(json["options"] == nlohmann::json::parse(options_json(options)));
    BOOST_TEST(json["options"]["seed"] == options.seed);
    BOOST_TEST(json["data_sha256"]["train-images"] == "abc");
    BOOST_TEST(json["resolved"]["float_nodes"] == 3);
    BOOST_TEST(json["resolved"]["parameters"].is_null());
    BOOST_TEST(json["machine"]["cores"] >= 1);
    BOOST_TEST(json["machine"]["memory_bytes"] > 0);
}

BOOST_AUTO_TEST_CASE(a_folder_with_another_run_is_refused) {
    const TemporaryFolder folder;
    Options options = output_to(folder.path("run"));
    {
        const RunFolder run(options);
        BOOST_TEST(throws(ErrorKind::usage, {"in use"}, [&] { RunFolder{options}; }));
    }
    const auto again = [&] { RunFolder{options}; };
    BOOST_TEST(throws(ErrorKind::usage, {"already holds a run", "--resume"}, again));
    options.resume = options.output;
    {
        RunFolder resumed(options);
        BOOST_TEST(resumed.resumed());
        resumed.write_result(Result());
    }
    BOOST_TEST(throws(ErrorKind::usage, {"finished"}, again));
    options.resume.clear();
    BOOST_TEST(throws(ErrorKind::usage, {"already holds a finished run"}, again));
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_is_one_line) {
    const TemporaryFolder folder;
    const std::string below_a_file = folder.file("file", "x") + "/run";
    BOOST_TEST(throws(ErrorKind::runtime, {below_a_file, "--output"},
                      [&] { RunFolder{output_to(below_a_file)}; }));
    BOOST_TEST(throws(ErrorKind::runtime, {"file", "--output"},
                      [&] { RunFolder{output_to(folder.path("file"))}; }));
}

BOOST_AUTO_TEST_CASE(a_resumed_run_keeps_its_beginning) {
    const TemporaryFolder folder;
    Options options = output_to(folder.path("run"));
    std::filesystem::create_directory(options.output);
    folder.file("run/config.toml", config_toml(options));
    folder.file("run/run.json", R"({"started": "2001-02-03T04:05:06Z"})");
    folder.file("run/next.safetensors.tmp.123", "half written when the process was killed");
    options.resume = options.output;
    RunFolder run(options);
    BOOST_TEST(!std::filesystem::exists(run.file("next.safetensors.tmp.123")));
    run.write_run_json(options, RunFacts());
    const auto json = nlohmann::json::parse(read_bytes(run.file("run.json")));
    BOOST_TEST(json["started"] == "2001-02-03T04:05:06Z");
}

BOOST_AUTO_TEST_CASE(the_newest_unfinished_run_is_found) {
    const TemporaryFolder root;
    const std::string runs = root.path("");
    BOOST_TEST(find_unfinished_run(root.path("nowhere")) == "");
    BOOST_TEST(find_unfinished_run(runs) == "");
    const auto old_time = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
    for (const char* name : {"a", "b", "c", "d"}) {
        RunFolder run(output_to(root.path(name)));
        const auto age = std::chrono::minutes(name[0]);  // later letters are younger
        std::filesystem::last_write_time(run.file("metrics.jsonl"), old_time + age);
    }
    root.file("d/result.json", "{}");
    std::filesystem::create_directory(root.path("empty"));
    std::filesystem::create_directory_symlink("a", root.path("latest"));
    BOOST_TEST(std::filesystem::path(find_unfinished_run(runs)).filename() == "c");
    Options options = output_to(root.path("c"));
    options.resume = options.output;
    const RunFolder running(options);
    BOOST_TEST(std::filesystem::path(find_unfinished_run(runs)).filename() == "b");
}

BOOST_AUTO_TEST_CASE(metrics_are_rows_and_objects) {
    const TemporaryFolder folder;
    Metrics metrics(folder.path(""));
    MetricsRow full = row("float", 2, 300);
    full.train_top1 = 91.25;
    full.eval_loss = 0.25;
    full.eval_top1 = 90.5;
    full.lr = 1e-3;
    full.images_per_second = 1000;
    metrics.epoch(full);
    metrics.epoch(row("quantized", 0, 400));
    full.train_loss = INFINITY;
    full.eval_loss = NAN;
    metrics.interval(full);
    BOOST_TEST(read_bytes(folder.path("metrics.csv")) ==
               "phase,epoch,step,train_loss,train_top1,eval_loss,eval_top1,lr,images_per_second\n"
               "float,2,300,0.5,91.25,0.25,90.5,0.001,1000\n"
               "quantized,0,400,0.5,,,,,\n");
    BOOST_TEST(read_bytes(folder.path("metrics.jsonl")) ==
               "{\"phase\":\"float\",\"epoch\":2,\"step\":300,\"train_loss\":null,"
               "\"train_top1\":91.25,\"eval_loss\":null,\"eval_top1\":90.5,\"lr\":0.001,"
               "\"images_per_second\":1000.0}\n");
}

BOOST_AUTO_TEST_CASE(no_row_appears_twice_after_a_resume) {
    const TemporaryFolder folder;
    {
        Metrics metrics(folder.path(""));
        for (int epoch = 0; epoch < 4; ++epoch) {
            metrics.epoch(row("float", epoch, 100 * (epoch + 1)));
            for (int i = 1; i <= 2; ++i) {
                metrics.interval(row("float", epoch, 100 * epoch + 50 * i));
            }
        }
    }
    // A kill cut off the last lines.
    std::ofstream(folder.path("metrics.csv"), std::ios::app) << "float,4,210,0.2,,,,,1";  // 1000?
    std::ofstream(folder.path("metrics.jsonl"), std::ios::app) << "{\"phase\":\"flo";
    Metrics metrics(folder.path(""));
    metrics.cut_back(250);  // from a checkpoint in the third epoch
    BOOST_TEST(lines_of(folder.path("metrics.csv")) == 1 + 2);
    BOOST_TEST(lines_of(folder.path("metrics.jsonl")) == 5);
    metrics.interval(row("float", 2, 250));  // there already
    BOOST_TEST(lines_of(folder.path("metrics.jsonl")) == 5);
    metrics.interval(row("float", 2, 300));
    metrics.epoch(row("float", 2, 300));
    BOOST_TEST(lines_of(folder.path("metrics.jsonl")) == 6);
    BOOST_TEST(lines_of(folder.path("metrics.csv")) == 1 + 3);
    const std::string text = read_bytes(folder.path("metrics.csv"));
    BOOST_TEST(text.substr(text.rfind("float,")) == "float,2,300,0.5,,,,,\n");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_one_line) {
    const TemporaryFolder folder;
    Metrics metrics(folder.path(""));
    const auto handler = signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = 200;
    setrlimit(RLIMIT_FSIZE, &limit);
    const bool caught = throws(ErrorKind::runtime, {"cannot write", "metrics.jsonl"}, [&] {
        for (int step = 0; step < 100; ++step) metrics.interval(row("float", 0, step));
    });
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    BOOST_TEST(caught);
}

BOOST_AUTO_TEST_SUITE_END()
