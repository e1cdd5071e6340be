// ./deploy as a process: on a finished run, on other hardware, on damaged runs, and golden bundles.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "io/npy.h"
#include "io/program_file.h"
#include "io/safetensors.h"
#include "run/console_table.h"
#include "run/train/result.h"
#include "tests/compare.h"
#include "tests/golden_bundle.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;
using nlohmann::json;

// Runs of two float and two quantized steps, made once.
class Runs {
  public:
    Runs() { write_tiny_data(data_); }

    const std::string& data() const { return data_path_; }

    // The folder of a run with these flags, named after them.
    std::string folder(const Arguments& flags) {
        std::string name = "run";
        for (const std::string& flag : flags) name += flag[0] == '/' ? "" : flag;
        const std::string path = runs_.path(name);
        if (fs::exists(path)) return path;
        Arguments all{"--dataset",   "mnist", "--data-path",    data_path_, "--batch-size", "16",
                      "--max-steps", "2",     "--lr",           "0.001",    "--float-lr",   "0.01",
                      "--epochs",    "1",     "--float-epochs", "1",        "--seed",       "5",
                      "--stem",      "half",  "--threads",      "1",        "--output",     path};
        all.insert(all.end(), flags.begin(), flags.end());
        const ProcessOutcome end = run_train(all);
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        return path;
    }

  private:
    TemporaryFolder data_, runs_;
    std::string data_path_ = data_.path("");
};

Runs& runs() {
    static Runs all;
    return all;
}

std::string run_on(const std::string& hardware) {
    return runs().folder({"--hardware", hardware});
}

// Copies the files of a run that ./deploy needs.
std::string copy_of(const std::string& run, const TemporaryFolder& folder) {
    for (const char* name :
         {"config.toml", "run.json", "model.safetensors", "program.safetensors"}) {
        fs::copy_file(run + "/" + name, folder.path(name), fs::copy_options::overwrite_existing);
    }
    return folder.path("");
}

int64_t right_of(const Tensor& logits, const Tensor& labels) {
    int64_t right = 0;
    for (int64_t i = 0; i < labels.numel(); ++i) {
        const float* row = logits.data<float>() + 10 * i;
        right += std::max_element(row, row + 10) - row == labels.data<int32_t>()[i];
    }
    return right;
}

// Replaces the first occurrence of a text in a file.
void edit(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = read_bytes(path);
    const size_t at = text.find(from);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, from << " is not in " << path);
    write_bytes(path, text.replace(at, from.size(), to));
}

// Interrupts ./deploy once `ready`; returns its result.
template <class Ready>
ProcessOutcome interrupted_deploy(const Arguments& arguments, const Ready& ready) {
    TrainProcess process(arguments, 0, "deploy");
    BOOST_REQUIRE(ready(process));
    process.send(SIGINT);
    return process.wait();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// True if it ends with this code and one line of error that contains the part.
bool fails(const Arguments& arguments, int code, const std::string& part) {
    const ProcessOutcome end = run_deploy(arguments);
    const bool ok = end.code == code && end.out.empty() && contains(end.err, "error: ") &&
                    contains(end.err, part) &&
                    std::count(end.err.begin(), end.err.end(), '\n') == 1;
    if (!ok) std::cerr << "code " << end.code << ": " << end.out << end.err << '\n';
    return ok;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(deploy, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(a_run_is_what_it_was_when_it_ended) {
    for (const char* hardware : {"tflite", "academic"}) {
        const std::string run = run_on(hardware);
        const Result result = read_result(run + "/result.json");
        const ProcessOutcome end = run_deploy({run, "--json"});
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        const json found = json::parse(end.out);
        BOOST_TEST(found.at("simulated_top1").get<double>() == *result.simulated_top1);
        BOOST_TEST(found.at("integer_top1").get<double>() == *result.integer_top1);
        BOOST_TEST(found.at("codes_compared").get<int64_t>() == *result.codes_compared);
        BOOST_TEST(found.at("codes_different") == 0);
        BOOST_TEST(found.at("predictions_compared") == 30);
        BOOST_TEST(found.at("weights_sha256").get<std::string>() == *result.weights_sha256);
        BOOST_TEST(found.at("differences").empty());
        const Program program = load_program(run + "/program.safetensors");
        BOOST_REQUIRE(found.at("layers").size() == program.instructions.size());
        int64_t codes = 0;
        for (size_t i = 0; i < program.instructions.size(); ++i) {
            const json& layer = found.at("layers")[i];
            BOOST_TEST(layer.at("layer").get<std::string>() == program.instructions[i].name);
            if (!layer.at("codes_different").is_null()) codes += layer.at("codes").get<int64_t>();
        }
        BOOST_TEST(codes == *result.codes_compared);
    }
}

BOOST_AUTO_TEST_CASE(logits_of_every_image_are_written) {
    const TemporaryFolder folder;
    const std::string run = run_on("tflite"), logits = folder.path("made/logits");
    const ProcessOutcome end = run_deploy({run, "--json", "--logits", logits});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const Tensor labels = load_npy(logits + "/labels.npy"),
                 integers = load_npy(logits + "/integers.npy"),
                 floats = load_npy(logits + "/float.npy");
    BOOST_TEST((labels.shape() == Shape{30}));
    BOOST_TEST((integers.shape() == Shape{30, 10}));
    BOOST_TEST((floats.shape() == integers.shape()));
    BOOST_TEST(same_bits(integers, load_npy(logits + "/simulation.npy")));
    BOOST_TEST(!same_bits(integers, floats));
    const json found = json::parse(end.out);
    BOOST_TEST(found.at("integer_top1").get<double>() == 100.0 * right_of(integers, labels) / 30);
    BOOST_TEST(found.at("float_same_weights_top1").get<double>() ==
               100.0 * right_of(floats, labels) / 30);
    const std::string taken = folder.file("taken", "a file");
    BOOST_TEST(fails({run, "--logits", taken}, 1, "cannot make"));
    const std::string around = run + "/../" + std::filesystem::path(run).filename().string();
    for (const std::string& path : {run + "/program.safetensors", around + "/model.safetensors"}) {
        BOOST_TEST(fails({run, "--onnx", path}, 2, "is a file of the run itself"));
        BOOST_TEST(fails({run, "--encodings", path}, 2, "is a file of the run itself"));
    }
    BOOST_TEST(fails({run, "--onnx", ""}, 2, "--onnx needs a value"));
    BOOST_TEST(fails({"--verify", run, "--logits", logits}, 2, "drop --logits"));
}

BOOST_AUTO_TEST_CASE(outputs_and_bundles_have_their_own_paths_and_flags) {
    BOOST_TEST(fails({"a", "--onnx", "x", "--encodings", "x"}, 2, "x is to be written twice"));
    BOOST_TEST(fails({"a", "--form", "qdq"}, 2, "add --onnx FILE"));
    for (const char* form : {"qdq", "qoperator"}) {
        BOOST_TEST(fails({"a", "--onnx", "x", "--target", "qonnx", "--form", form}, 2,
                         "qonnx has one; drop it"));
    }
    BOOST_TEST(fails({"a", "--no-layers", "--json"}, 2, "drop one of them"));
    BOOST_TEST(fails({"--verify", "g", "--no-layers", "--json"}, 2, "drop one of them"));
    for (const char* flag : {"--hardware", "--images", "--data-path", "--golden", "--onnx"}) {
        BOOST_TEST(fails({"--verify", "g", flag, "7"}, 2, std::string("drop ") + flag), flag);
    }
}

BOOST_AUTO_TEST_CASE(the_gap_of_the_float_simulation_is_measured) {
    const std::string run = run_on("tflite");
    const ProcessOutcome end = run_deploy({run, "--gap", "--json"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const json found = json::parse(end.out), gap = found.at("gap");
    BOOST_TEST(gap.at("images") == 30);
    BOOST_TEST(gap.at("forced_different") > 0);
    BOOST_TEST(gap.at("near_tie") >= gap.at("forced_different"));
    BOOST_TEST(gap.at("free_different") > gap.at("forced_different"));
    int64_t codes = 0;
    for (const json& layer : gap.at("layers")) codes += layer.at("codes").get<int64_t>();
    BOOST_TEST(gap.at("codes") == codes);
    // The codes of the averages are compared here too.
    BOOST_TEST(codes == found.at("codes_compared").get<int64_t>() + 30 * 512);

    const ProcessOutcome more = run_deploy({run, "--images", "31", "--no-layers"});
    BOOST_TEST(more.code == 0);
    BOOST_TEST(contains(more.err, "warning: --images 31: the test set has 30"), more.err);
    const ProcessOutcome table = run_deploy({run, "--gap", "--images", "7", "--no-layers"});
    BOOST_TEST(table.code == 0);
    for (const char* part : {"near a tie", "layer3.1.conv2", "of 7 images differ", "top-1"}) {
        BOOST_TEST(contains(table.out, part), part);
    }
    BOOST_TEST(!contains(run_deploy({run, "--images", "7"}).out, "near a tie"));
}

BOOST_AUTO_TEST_CASE(the_tables_are_printed) {
    const ProcessOutcome end = run_deploy({run_on("tflite"), "--images", "7"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    for (const char* part :
         {"layer3.1.conv2", "SQNR", "accumulators", "0 of 7", "size of the weights",
          "rules: R2, add tflite", "float: the network without its quantizers"}) {
        BOOST_TEST(contains(end.out, part), part);
    }
    const size_t top1 = end.out.find("\ntop-1");
    const std::string line = end.out.substr(top1 + 1, end.out.find('\n', top1 + 1) - top1 - 1);
    BOOST_TEST(std::count(line.begin(), line.end(), '%') == 3, line);  // and no "-"
    const ProcessOutcome brief = run_deploy({run_on("tflite"), "--images", "7", "--no-layers"});
    BOOST_TEST(brief.code == 0);
    BOOST_TEST(!contains(brief.out, "layer3.1.conv2"));
    BOOST_TEST(contains(brief.out, "0 of 7"));
}

BOOST_AUTO_TEST_CASE(hardware_that_agrees_is_taken_and_any_other_refused) {
    const std::string run = run_on("tflite");
    for (const char* other : {"tflite-single", "xnnpack"}) {
        const ProcessOutcome end = run_deploy({run, "--hardware", other, "--json"});
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        const json found = json::parse(end.out);
        BOOST_TEST(found.at("hardware").get<std::string>() == other);
        BOOST_TEST(found.at("codes_different") == 0);
    }
    BOOST_TEST(fails({run, "--hardware", "qnnpack"}, 2, "weights s8 symmetric"));
    BOOST_TEST(fails({run, "--hardware", "fbgemm"}, 2, "weights s8 symmetric"));
    BOOST_TEST(fails({run, "--hardware", "onnxruntime"}, 2, "activations s8 asymmetric"));
    BOOST_TEST(fails({run, "--hardware", "toaster"}, 2, "toaster"));
}

// The run's settings pass the accumulator policy to ./deploy, the bundle passes it to --verify.
BOOST_AUTO_TEST_CASE(an_accumulator_goes_with_the_run_and_its_bundle) {
    const std::string run = runs().folder({"--hardware", "fbgemm", "--accumulator", "acc16",
                                           "--algo", "minmax", "--bits", "8", "--epochs", "0"});
    const TemporaryFolder folder;
    const std::string bundle = folder.path("g"), onnx = folder.path("net.onnx");
    const ProcessOutcome end = run_deploy(
        {run, "--json", "--images", "2", "--golden", bundle, "--onnx", onnx, "--target", "qonnx"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const json found = json::parse(end.out);
    BOOST_TEST(contains(found.at("rules"), "accumulators acc16"), found.at("rules"));
    BOOST_TEST(contains(read_bytes(onnx), "float bias, accumulators acc16"));
    BOOST_TEST(!contains(read_bytes(onnx), "accumulators exact or"));
    BOOST_TEST(found.at("codes_different") == 0);
    BOOST_TEST(contains(end.err, "note: acc16 changed "), end.err);
    BOOST_TEST(!contains(end.err, "changed 0 of"), end.err);
    BOOST_TEST(found.at("accumulator") == "acc16");
    const int64_t changed = found.at("accumulators_changed"), all = found.at("accumulators");
    BOOST_TEST(contains(end.err, join("acc16 changed ", count_text(changed), " of ",
                                      count_text(all), " accumulators")),
               end.err);
    int64_t sum = 0;
    for (const json& layer : found.at("layers")) {
        const json& accumulators = layer.at("accumulators");
        if (!accumulators.is_null() && !accumulators.at("changed").is_null()) {
            sum += accumulators.at("changed").get<int64_t>();
        }
    }
    BOOST_TEST(sum == changed);
    BOOST_TEST(changed > 0);
    BOOST_TEST(read_bytes(bundle + "/manifest.json").find("\"accumulator_policy\": \"acc16\"") !=
               std::string::npos);
    BOOST_TEST(run_deploy({"--verify", bundle}).code == 0);
    std::string manifest = read_bytes(bundle + "/manifest.json");
    for (size_t at; (at = manifest.find("\"acc16\"")) != std::string::npos;) {
        manifest.replace(at, 7, "\"exact\"");
    }
    write_bytes(bundle + "/manifest.json", manifest);
    sign_again(bundle);
    BOOST_TEST(run_deploy({"--verify", bundle}).code == 1);
    BOOST_TEST(fails({run, "--hardware", "onnxruntime"}, 2, "weights s8"));
}

BOOST_AUTO_TEST_CASE(textbook_simulation_differs_and_is_no_error) {
    const std::string run = runs().folder({"--simulate", "qdq"});
    const ProcessOutcome end = run_deploy({run, "--json"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const json found = json::parse(end.out);
    const Result result = read_result(run + "/result.json");
    BOOST_TEST(found.at("codes_different").get<int64_t>() > 0);
    BOOST_TEST(found.at("codes_different").get<int64_t>() == *result.codes_different);
}

BOOST_AUTO_TEST_CASE(a_program_that_differs_ends_with_1) {
    const TemporaryFolder folder;
    const std::string run = copy_of(run_on("tflite"), folder);
    Program program = load_program(run + "program.safetensors");
    for (Instruction& i : program.instructions) {
        if (i.name == "layer2.0.conv1") i.constants.at("bias").data<int32_t>()[3] += 1;
    }
    save_program(run + "program.safetensors", program);
    BOOST_TEST(fails({run, "--images", "2"}, 1, "lowered to: layer2.0.conv1: bias[3] is "));
    // Another row with the same formats does not hide the difference.
    BOOST_TEST(fails({run, "--hardware", "xnnpack"}, 1, "layer2.0.conv1: bias[3] is "));
    const std::string golden = folder.path("golden");
    BOOST_TEST(fails({run, "--golden", golden}, 1, "layer2.0.conv1"));
    BOOST_TEST(!fs::exists(golden));
}

BOOST_AUTO_TEST_CASE(a_changed_configuration_is_one_line) {
    const TemporaryFolder folder;
    const std::string run = copy_of(run_on("tflite"), folder);
    edit(run + "config.toml", "\nbits = 4", "\nbits = 8");
    BOOST_TEST(fails({run}, 3,
                     "config.toml says bits = 8, and the run had 4 (and 2 others): it was "
                     "changed since training; restore"));
    copy_of(run_on("tflite"), folder);
    edit(run + "config.toml", "model = \"resnet18\"", "model = \"resnet34\"");
    BOOST_TEST(fails({run}, 3, "model = \"resnet34\", and the run had \"resnet18\": it was"));
    // Both records changed consistently: they describe another network than the program's.
    copy_of(run_on("tflite"), folder);
    edit(run + "config.toml", "\nbits = 4", "\nbits = 8");
    for (const char* bits : {"bits", "weight-bits", "activation-bits"}) {
        edit(run + "run.json", std::string("\"") + bits + "\": 4",
             std::string("\"") + bits + "\": 8");
    }
    BOOST_TEST(fails({run}, 1, " others); a file of the run was changed since training"));
    // The location of the data is not part of the training.
    copy_of(run_on("tflite"), folder);
    edit(run + "config.toml", "data-path = \"", "data-path = \"/.");
    BOOST_TEST(run_deploy({run, "--images", "1"}).code == 0);
}

BOOST_AUTO_TEST_CASE(a_missing_program_is_said) {
    const TemporaryFolder folder;
    const std::string run = copy_of(run_on("tflite"), folder);
    const auto compared = [&] {
        const ProcessOutcome end = run_deploy({run, "--images", "1", "--json"});
        BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
        const bool said = contains(end.err, "program.safetensors is missing");
        BOOST_TEST(json::parse(end.out).at("program_compared") == !said);
        return !said;
    };
    BOOST_TEST(compared());
    fs::remove(run + "program.safetensors");
    BOOST_TEST(!compared());
}

BOOST_AUTO_TEST_CASE(an_interrupted_call_says_so_and_leaves_nothing) {
    const std::string run = run_on("tflite");
    const TemporaryFolder folder;
    ProcessOutcome end = interrupted_deploy(
        {run}, [](const TrainProcess& process) { return process.wait_for("test images"); });
    BOOST_TEST(end.code == 130);
    BOOST_TEST(end.out == "");
    BOOST_TEST(contains(end.err, "\nstopping; once more to stop at once\n"), end.err);
    BOOST_TEST(contains(end.err, "\ninterrupted during evaluation; nothing is left"), end.err);

    const auto begun = [&](const TrainProcess&) {
        for (int i = 0; folder.names().empty() && i < 6000; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return folder.names() == Arguments{} ? false : contains(folder.names()[0], "golden.tmp.");
    };
    end = interrupted_deploy({run, "--golden", folder.path("golden"), "--images", "30"}, begun);
    BOOST_TEST(end.code == 130);
    BOOST_TEST(contains(end.err, "\ninterrupted while writing the bundle; nothing"), end.err);
    BOOST_TEST(folder.names().empty());
}

BOOST_AUTO_TEST_CASE(folders_of_outputs_are_made) {
    const TemporaryFolder folder;
    const ProcessOutcome end =
        run_deploy({run_on("tflite"), "--images", "1", "--no-layers", "--encodings",
                    folder.path("a/b/model.encodings"), "--golden", folder.path("c/golden")});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    BOOST_TEST(fs::exists(folder.path("a/b/model.encodings")));
    BOOST_TEST(fs::exists(folder.path("c/golden/manifest.json")));
    const std::string file = folder.file("file", "kept");
    BOOST_TEST(fails({run_on("tflite"), "--encodings", file + "/x"}, 1, "cannot make the folder"));
}

BOOST_AUTO_TEST_CASE(a_float_export_takes_no_flags_of_integers) {
    const std::string run = runs().folder({"--algo", "none"});
    const Arguments flags[] = {{"--target", "float"},     {"--form", "qdq"}, {"--images", "3"},
                               {"--no-layers"},           {"--json"},        {"--gap"},
                               {"--logits", "l"},         {"--golden", "g"}, {"--encodings", "e"},
                               {"--hardware", "acl"},     {"--layers"},      {"--threads", "1"},
                               {"--tensorrt-ranges", "r"}};
    for (const Arguments& flag : flags) {
        Arguments all{run, "--onnx", "x.onnx"};
        all.insert(all.end(), flag.begin(), flag.end());
        BOOST_TEST(fails(all, 2, "runs nothing; drop " + flag[0]));
    }
}

BOOST_AUTO_TEST_CASE(flags_without_effect_are_named) {
    const std::string run = run_on("tflite");
    const ProcessOutcome end = run_deploy({run, "--json", "--layers", "--images", "1"});
    BOOST_TEST(end.code == 0);
    BOOST_TEST(contains(end.err, "warning: --layers has no effect with --json"), end.err);
    BOOST_TEST(!contains(run_deploy({run, "--json", "--images", "1"}).err, "no effect"));
}

// Printed commands are meant to be pasted.
BOOST_AUTO_TEST_CASE(paths_of_printed_commands_are_quoted) {
    const TemporaryFolder folder;
    fs::create_directory(folder.path("my run"));
    fs::copy_file(run_on("tflite") + "/config.toml", folder.path("my run/config.toml"));
    BOOST_TEST(
        fails({folder.path("my run")}, 3, "./train --resume '" + folder.path("my run") + "'"));
    const std::string bundle = folder.path("it's");
    const ProcessOutcome end = run_deploy({run_on("tflite"), "--images", "1", "--golden", bundle});
    BOOST_TEST(contains(end.err, "; ./deploy --verify '" + folder.path("it") + "'\\''s' replays"),
               end.err);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_deployed_is_one_line) {
    const TemporaryFolder folder;
    BOOST_TEST(fails({}, 2, "name the folder of a run"));
    BOOST_TEST(fails({folder.path("nothing")}, 3, "no config.toml"));
    BOOST_TEST(fails({"a", "b"}, 2, "unexpected argument 'b'"));
    BOOST_TEST(fails({"a", "--golden", "g", "--verify", "g"}, 2, "--verify"));
    const std::string run = copy_of(run_on("tflite"), folder);

    const TemporaryFolder other;
    write_tiny_data(other);
    other.file("t10k-labels-idx1-ubyte", idx_file(30, 0, 8));
    BOOST_TEST(fails({run, "--data-path", other.path("")}, 3, "other test images"));
    BOOST_TEST(fails({run, "--data-path", folder.path("nothing")}, 3, "nothing"));

    std::string bytes = read_bytes(run + "model.safetensors");
    folder.file("model.safetensors", bytes.substr(0, bytes.size() - 1));
    BOOST_TEST(fails({run}, 3, "model.safetensors"));
    fs::remove(run + "model.safetensors");
    BOOST_TEST(fails({run}, 3, "is not finished"));
    folder.file("run.json", "{}");
    BOOST_TEST(fails({run_on("tflite"), "--golden", run}, 2, "holds "));
    folder.file("config.toml", "algo = \"none\"\n");
    BOOST_TEST(fails({run}, 2, "--algo none"));
}

BOOST_AUTO_TEST_CASE(a_golden_bundle_goes_round) {
    const TemporaryFolder folder;
    const std::string bundle = folder.path("golden");
    const ProcessOutcome end = run_deploy({run_on("tflite"), "--golden", bundle, "--no-layers"});
    BOOST_REQUIRE_MESSAGE(end.code == 0, end.err);
    const json manifest = json::parse(read_bytes(bundle + "/manifest.json"));
    BOOST_TEST(manifest.at("program").at("images") == 4);
    BOOST_TEST(manifest.at("program").at("hardware") == "tflite");
    BOOST_TEST(manifest.at("program").at("standing") == "exact");
    BOOST_TEST(manifest.at("facts").at("model") == "resnet18");
    BOOST_TEST(manifest.at("facts").at("version").get<std::string>() != "");

    const ProcessOutcome whole = run_deploy({"--verify", bundle});
    BOOST_TEST(whole.code == 0);
    BOOST_TEST(contains(whole.out, "layer1.0.conv1  conv2d  equal"), whole.out);
    BOOST_TEST(contains(whole.out, "every layer replays"));
    BOOST_TEST(json::parse(run_deploy({"--verify", bundle, "--json"}).out).at("equal") == true);

    const std::string file = bundle + "/001_conv1/output.npy";
    std::string bytes = read_bytes(file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_bytes(file, bytes);
    BOOST_TEST(fails({"--verify", bundle}, 3, "001_conv1/output.npy"));
    sign_again(bundle);
    const ProcessOutcome differs = run_deploy({"--verify", bundle});
    BOOST_TEST(differs.code == 1);
    BOOST_TEST(contains(differs.err, "001_conv1/output.npy[3, 3, 3, 63] is "), differs.err);
    fs::remove(file);
    BOOST_TEST(fails({"--verify", bundle}, 3, "001_conv1/output.npy"));
}

BOOST_AUTO_TEST_SUITE_END()
