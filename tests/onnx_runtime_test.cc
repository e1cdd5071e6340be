// Runs ./deploy --onnx as a process, and scripts/compare_onnx.py on small runs: the files in
// onnxruntime, if it is installed. If not, the script says so on stderr.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "io/onnx_file.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

namespace fs = std::filesystem;

// A run of two float and two quantized steps on images of 8 x 8, with the data next to it.
class SmallRun {
  public:
    explicit SmallRun(const Arguments& flags) {
        Arguments all{"--dataset",    "mnist", "--data-path",    write_tiny_data(data_),
                      "--batch-size", "16",    "--max-steps",    "2",
                      "--epochs",     "1",     "--float-epochs", "1",
                      "--seed",       "5",     "--stem",         "half",
                      "--threads",    "1",     "--output",       path()};
        all.insert(all.end(), flags.begin(), flags.end());
        const ProcessOutcome end = run_train(all);
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    }
    std::string path() const { return runs_.path("run"); }

  private:
    TemporaryFolder data_, runs_;
};

const std::string& run_of_8_bits() {
    static const SmallRun run({"--bits", "8"});
    static const std::string path = run.path();
    return path;
}

int compare_onnx(const std::string& run, const std::string& flags) {
    const std::string command = "scripts/compare_onnx.py " + run + " --images 8 --deploy " +
                                program_path("deploy") + " " + flags + " >/dev/null";
    return std::system(command.c_str());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(onnx_runtime, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(onnxruntime_gives_the_codes_of_the_integers) {
    BOOST_TEST(compare_onnx(run_of_8_bits(), "--form qdq") == 0);
    BOOST_TEST(compare_onnx(run_of_8_bits(), "--form qoperator") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(onnx_files_of_deploy, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(deploy_writes_and_refuses) {
    const TemporaryFolder folder;
    const std::string run = run_of_8_bits(), file = folder.path("m.onnx");
    const ProcessOutcome end = run_deploy({run, "--onnx", file, "--encodings", folder.path("e")});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(end.err.find("m.onnx: qdq for onnxruntime, opset 13") != std::string::npos, end.err);
    BOOST_TEST(read_onnx(file).producer_name() == "gradus");
    BOOST_TEST(fs::exists(folder.path("e")));
    const auto refused = [&](const Arguments& flags, const std::vector<std::string>& parts) {
        Arguments all{run};
        all.insert(all.end(), flags.begin(), flags.end());
        check_one_line_error("./deploy", all, run_deploy(all), 2, parts);
    };
    refused({"--onnx", file, "--target", "tensorrt"}, {"unsigned codes"});
    refused({"--onnx", file, "--target", "ncnn"}, {"--target"});
    refused({"--target", "qonnx"}, {"--target", "add --onnx FILE"});
    refused({"--tensorrt-ranges", folder.path("r")}, {"symmetric int8"});
    BOOST_TEST(!fs::exists(folder.path("r")));
}

BOOST_AUTO_TEST_CASE(deploy_names_the_cpus_whose_sums_saturate) {
    const TemporaryFolder folder;
    const auto note = [&](const Arguments& flags) {
        Arguments all{"--bits", "8", "--algo", "minmax"};
        all.insert(all.end(), flags.begin(), flags.end());
        const SmallRun run(all);
        const ProcessOutcome end = run_deploy({run.path(), "--onnx", folder.path("m.onnx")});
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        const size_t at = end.err.find("without VNNI");
        return at == std::string::npos ? "" : end.err.substr(end.err.rfind('\n', at));
    };
    BOOST_TEST(note({}).find("session.x64quantprecision = 1") != std::string::npos);
    BOOST_TEST(note({"--accumulator", "pairs16"}).find("sums by pairs16") != std::string::npos);
    BOOST_TEST(note({"--hardware", "xnnpack"}) == "");  // signed activations are summed exactly
}

BOOST_AUTO_TEST_CASE(a_float_run_is_written_as_it_is) {
    const TemporaryFolder folder;
    const SmallRun floats({"--algo", "none"});
    const std::string run = floats.path(), file = folder.path("m.onnx");
    const ProcessOutcome end = run_deploy({run, "--onnx", file});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(end.err.find("float network, opset 13") != std::string::npos, end.err);
    BOOST_TEST(read_onnx(file).graph().input(0).name() == "input");
    check_one_line_error("./deploy", {run}, run_deploy({run}), 2, {"--algo none", "--onnx"});
    const Arguments wrong{run, "--onnx", file, "--encodings", folder.path("e")};
    check_one_line_error("./deploy", wrong, run_deploy(wrong), 2, {"drop --encodings"});
}

BOOST_AUTO_TEST_SUITE_END()
