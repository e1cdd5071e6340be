// ./train refuses mistakes: one line on stderr, and an exit code for its kind.
#include <boost/test/unit_test.hpp>

#include "io/safetensors.h"
#include "run/train/checkpoint.h"
#include "run/train/load_network.h"
#include "tests/small_network.h"
#include "tests/train_process.h"

using namespace gradus;

namespace {

void check_refused(int code, const Arguments& arguments, const std::vector<std::string>& parts) {
    check_one_line_error("./train", arguments, run_train(arguments), code, parts);
}

// Arguments with which only the mistake can end the run.
Arguments tiny(const TemporaryFolder& data, const Arguments& more) {
    Arguments all{"--dataset", "mnist",       "--data-path", data.path(""),  "--quiet", "--threads",
                  "1",         "--max-steps", "1",           "--batch-size", "16"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_line, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(questions_are_answered) {
    for (const auto& [flag, part] :
         {std::pair{"--list-models", "resnet18"}, std::pair{"--list-algos", "lsq"},
          std::pair{"--list-datasets", "cifar100"}, std::pair{"--list-hardware", "onnxruntime"},
          std::pair{"--help", "--model"}, std::pair{"--version", "gradus"}}) {
        const ProcessOutcome end = run_train({flag});
        BOOST_TEST(end.code == 0);
        BOOST_TEST(end.err == "");
        BOOST_TEST(end.out.find(part) != std::string::npos, flag << " says " << end.out);
    }
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_2) {
    check_refused(2, {"--epoch", "3"}, {"--epoch", "did you mean --epochs?"});
    check_refused(2, {"--model", "resnet19"}, {"resnet19", "resnet18"});
    check_refused(2, {"--algo", "lqs"}, {"lqs", "lsq", "none"});
    check_refused(2, {"--hardware", "tpu"}, {"tpu", "academic", "onnxruntime"});
    check_refused(2, {"--accumulator", "acc16"}, {"acc16", "onnxruntime", "fbgemm"});
    check_refused(2, {"--accumulator", "acc8"}, {"acc8", "acc16"});
    check_refused(2, {"--bits", "9"}, {"--bits", "2 to 8", "9"});
    check_refused(2, {"--weight-bits", "1"}, {"--weight-bits", "2 to 8", "1"});
    check_refused(2, {"--activation-bits", "4.5"}, {"--activation-bits", "4.5"});
    check_refused(2, {"--dataset", "imagenet"}, {"imagenet", "fashion-mnist"});
    check_refused(2, {"--dataset", "mnst"}, {"'mnst'", "did you mean 'mnist'?"});
    check_refused(2, {"--dataset", "synthetic", "--hue", "0.1"}, {"--hue", "synthetic", "grey"});
    check_refused(2, {"--image-size", "1025"}, {"--image-size", "1024"});
    check_refused(2, {"--dataset", "synthetic", "--image-size", "7"},
                  {"--image-size", "8 to 1024"});
    check_refused(2, {"--lr", "\x1b[2J"}, {"--lr takes", "'\\x1b[2J'"});
    check_refused(2, {"--stem", "wide"}, {"wide", "half"});
    check_refused(2, {"--lr"}, {"--lr", "value"});
    check_refused(2, {"train"}, {"train"});
    check_refused(2, {"--bn-fold", "none"}, {"none", "onnxruntime", "float step"});
    check_refused(2, {"--bn-fold", "merge", "--reestimate-bn"}, {"folding 0", "--reestimate-bn"});
}

BOOST_AUTO_TEST_CASE(broken_data_are_3) {
    const TemporaryFolder runs;
    const std::string images = idx_file(48, 8);
    struct Damage {
        const char* file;
        std::string content;
        const char* reason;
    };
    std::string magic = images;
    magic[2] = '\x0d';
    for (const Damage& damage :
         {Damage{"train-images-idx3-ubyte", images.substr(0, images.size() - 5), "train-images"},
          Damage{"train-images-idx3-ubyte", images + "x", "train-images"},
          Damage{"train-images-idx3-ubyte", magic, "32-bit floats (type 13)"},
          Damage{"train-images-idx3-ubyte", "", "train-images"},
          Damage{"train-images-idx3-ubyte", "\x1f\x8b\x08 no gzip file", "train-images"},
          Damage{"train-labels-idx1-ubyte", idx_file(48, 0, 10), "label"},
          Damage{"train-labels-idx1-ubyte", idx_file(47, 0), "47"}}) {
        const TemporaryFolder data;
        write_tiny_data(data);
        data.file(damage.file, damage.content);
        check_refused(3, tiny(data, {"--output", runs.path("run")}), {damage.file, damage.reason});
    }
    check_refused(3, {"--dataset", "mnist", "--data-path", runs.path("nowhere")}, {"nowhere"});
    BOOST_TEST(runs.names().empty());  // no run was started
}

BOOST_AUTO_TEST_CASE(weights_that_do_not_serve) {
    const TemporaryFolder data, files;
    write_tiny_data(data);
    const Graph other = small_network();
    save_network(files.path("other"), other.parameters(), {});
    const std::string bytes = read_bytes(files.path("other"));
    files.file("truncated", bytes.substr(0, bytes.size() / 2));
    files.file("text", "these are no weights");
    const auto weights = [&](const char* name) {
        return tiny(data, {"--weights", files.path(name), "--output", files.path("run")});
    };
    check_refused(3, weights("missing"), {"missing"});
    check_refused(3, weights("truncated"), {"truncated"});
    check_refused(3, weights("text"), {"text"});
    check_refused(2, weights("other"), {"other", "conv1.weight", "another model"});
    const Graph damaged = small_network();
    for (const auto& [name, value] : {std::pair{"bn1.running_var", -1.0f}, {"fc.bias", NAN}}) {
        const auto all = damaged.parameters();
        const auto parameter = *std::find_if(all.begin(), all.end(),
                                             [&, n = name](const auto& p) { return p->name == n; });
        const float before = std::exchange(parameter->value.data<float>()[0], value);
        save_network(files.path("damaged"), all, {});
        BOOST_CHECK(throws(ErrorKind::data, {"damaged", name, "diverged or the file is damaged"},
                           [&] { load_network(files.path("damaged"), all); }));
        parameter->value.data<float>()[0] = before;
    }
    std::map<std::string, Tensor> wrapped;
    for (const auto& [name, tensor] : export_parameters(damaged.parameters())) {
        wrapped["_orig_mod." + name] = tensor;
    }
    save_safetensors(files.path("wrapped"), wrapped, {});
    check_refused(2, weights("wrapped"), {"wrapped", "another model"});
    BOOST_TEST(!std::filesystem::exists(files.path("run")));  // no run was started
}

BOOST_AUTO_TEST_CASE(places_that_cannot_be_written_are_1) {
    const TemporaryFolder data;
    write_tiny_data(data);
    const std::string file = data.file("file", "not a folder");
    check_refused(1, tiny(data, {"--output", file + "/run"}), {file, "--output"});
    check_refused(1, tiny(data, {"--output", file}), {file, "--output"});
    BOOST_TEST(read_bytes(file) == "not a folder");
}

BOOST_AUTO_TEST_CASE(folders_of_other_runs_are_kept) {
    const TemporaryFolder data, runs;
    write_tiny_data(data);
    const std::string config = runs.file("config.toml", "model = \"resnet18\"\n");
    check_refused(2, tiny(data, {"--output", runs.path("")}), {"--resume", "--output"});
    runs.file("result.json", "{}");
    check_refused(2, tiny(data, {"--output", runs.path("")}), {"finished"});
    check_refused(2, {"--resume", runs.path("")}, {"finished"});
    check_refused(3, {"--resume", data.path("")}, {"no run"});
    BOOST_TEST(read_bytes(config) == "model = \"resnet18\"\n");
    BOOST_TEST(read_bytes(runs.path("result.json")) == "{}");
}

// An empty folder of a refused run would be the newest unfinished one.
BOOST_AUTO_TEST_CASE(what_is_refused_leaves_no_folder) {
    const TemporaryFolder data, runs;
    write_tiny_data(data);
    check_refused(2,
                  tiny(data, {"--algo", "dorefa", "--ptq", "qdrop", "--output", runs.path("run")}),
                  {"dorefa"});
    BOOST_TEST(runs.names().empty());
}

BOOST_AUTO_TEST_CASE(a_dry_run_leaves_nothing) {
    const TemporaryFolder data, runs;
    write_tiny_data(data);
    const ProcessOutcome end =
        run_train(tiny(data, {"--dry-run", "--summary", "--output", runs.path("run")}));
    BOOST_TEST(end.code == 0);
    BOOST_TEST(end.out.find("layer4.1.conv2") != std::string::npos);
    BOOST_TEST(runs.names().empty());
    const ProcessOutcome json = run_train(tiny(data, {"--dry-run", "--summary", "--json"}));
    BOOST_TEST(json.out == "");  // no result
    BOOST_TEST(json.err.find("layer4.1.conv2") != std::string::npos);
    const std::string dot = runs.path("made/graph.dot");
    BOOST_TEST(run_train(tiny(data, {"--dry-run", "--dot", dot})).code == 0);
    BOOST_TEST(read_bytes(dot).rfind("digraph", 0) == 0);
}

// The published numbers of parameters, whatever data exist: torchvision's and timm's.
BOOST_AUTO_TEST_CASE(a_described_network_needs_no_data) {
    const auto summary = [](const Arguments& more) {
        Arguments all{"--summary", "--dataset",     "imagefolder", "--data-path",
                      "/nowhere",  "--image-size",  "224",         "--channels",
                      "3",         "--num-classes", "1000",        "--threads",
                      "1"};
        all.insert(all.end(), more.begin(), more.end());
        const ProcessOutcome end = run_train(all);
        BOOST_TEST(end.code == 0, end.err);
        return end.out.substr(end.out.find("total"));
    };
    BOOST_TEST(summary({"--model", "resnet18"}).find("11,689,512") != std::string::npos);
    BOOST_TEST(summary({"--model", "mobilenet_v2"}).find("3,504,872") != std::string::npos);
    BOOST_TEST(summary({"--model", "resnet18", "--in-chans", "1"}).find("11,683,240") !=
               std::string::npos);
    const Arguments partly{"--summary", "--image-size", "224", "--num-classes", "1000"};
    Arguments missing = partly;
    missing.insert(missing.end(), {"--dataset", "imagefolder", "--data-path", "/nowhere"});
    check_refused(3, missing, {"/nowhere"});
    check_refused(2, {"--summary", "--image-size", "7", "--num-classes", "10", "--channels", "3"},
                  {"--image-size 7", "8 to 1024"});
}

// With data, the flags must agree with them; more classes than the data's are allowed.
BOOST_AUTO_TEST_CASE(channels_and_classes_agree_with_the_data) {
    const TemporaryFolder data;
    write_tiny_data(data);
    check_refused(2, tiny(data, {"--dry-run", "--channels", "3"}),
                  {"--channels 3", "mnist have 1", "drop it"});
    check_refused(
        2,
        tiny(data, {"--dry-run", "--channels", "3", "--image-size", "32", "--num-classes", "1000"}),
        {"--channels 3", "mnist have 1"});
    check_refused(2, tiny(data, {"--dry-run", "--num-classes", "9"}),
                  {"--num-classes 9", "has 10"});
    check_refused(2, {"--channels", "-1"}, {"--channels", "0 to 1024"});
    BOOST_TEST(
        run_train(tiny(data, {"--dry-run", "--channels", "1", "--num-classes", "12"})).code == 0);
}

BOOST_AUTO_TEST_CASE(a_dry_run_checks_weights_and_folders) {
    const TemporaryFolder data, files;
    write_tiny_data(data);
    save_network(files.path("other"), small_network().parameters(), {});
    for (const char* name : {"taken", "done"}) std::filesystem::create_directory(files.path(name));
    files.file("taken/config.toml", "model = \"resnet18\"\n");
    files.file("done/result.json", "{}");
    const auto dry = [&](const Arguments& more) {
        Arguments all = tiny(data, {"--dry-run"});
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    check_refused(3, dry({"--weights", files.path("missing")}), {"missing"});
    check_refused(2, dry({"--weights", files.path("other")}), {"other", "another model"});
    check_refused(2, dry({"--output", files.path("taken")}), {"--resume", "--output"});
    check_refused(2, dry({"--output", files.path("done")}), {"finished"});
    check_refused(1, dry({"--output", files.path("other/run")}), {"is a file", "--output"});
    BOOST_TEST(run_train(dry({"--output", files.path("new/run")})).code == 0);
    BOOST_TEST(!std::filesystem::exists(files.path("new")));
}

BOOST_AUTO_TEST_CASE(flags_without_effect_are_named) {
    const TemporaryFolder data;
    write_tiny_data(data);
    const auto warnings = [&](const Arguments& more) {
        Arguments all{"--dataset", "mnist", "--data-path", data.path(""), "--dry-run"};
        all.insert(all.end(), more.begin(), more.end());
        const ProcessOutcome end = run_train(all);
        BOOST_TEST(end.code == 0, end.err);
        return end.err;
    };
    BOOST_TEST(warnings({}) == "");
    BOOST_TEST(warnings({"--ptq-steps", "9", "--ptq-images", "8"}) ==
               "warning: --ptq-steps has no effect without --ptq\n"
               "warning: --ptq-images has no effect without --ptq or --correct-bias\n");
    BOOST_TEST(warnings({"--ptq-images", "8", "--correct-bias"}) == "");
    BOOST_TEST(warnings({"--opt", "adamw", "--momentum", "0.8", "--no-nesterov"}) ==
               "warning: --momentum has no effect with --opt adamw\n");
    BOOST_TEST(warnings({"--epochs", "0", "--float-epochs", "0", "--lr", "1", "--float-lr", "1",
                         "--batch-size", "8"}) ==
               "warning: --lr has no effect with --epochs 0\n"
               "warning: --float-lr has no effect with --float-epochs 0\n"
               "warning: --batch-size has no effect as nothing is trained\n");
    BOOST_TEST(warnings({"--bits", "3", "--weight-bits", "4", "--activation-bits", "4"}) ==
               "warning: --bits has no effect next to --weight-bits and --activation-bits\n");
    BOOST_TEST(warnings({"--dsq-form", "ste"}) ==
               "warning: --dsq-form has no effect without --algo dsq\n");
    BOOST_TEST(warnings({"--dsq-form", "ste", "--weight-algo", "dsq"}) == "");
    BOOST_TEST(warnings({"--algo", "none", "--bits", "3", "--lr", "0.1", "--epochs", "9"}) ==
               "warning: --bits, --epochs and --lr have no effect with --algo none, which trains "
               "in float alone\n");
    BOOST_TEST(
        warnings({"--crop-pct", "0.9", "--on-bad-image", "skip", "--interpolation", "bicubic"}) ==
        "warning: --crop-pct and --on-bad-image have no effect without photographs\n"
        "warning: --interpolation has no effect on images that keep their size\n");
    BOOST_TEST(warnings({"--interpolation", "bicubic", "--image-size", "16"}) == "");
    BOOST_TEST(warnings({"--dropout", "0"}) ==
               "warning: --dropout has no effect on resnet18, which has none\n");
    BOOST_TEST(warnings({"--dropout", "0", "--model", "mobilenet_v2"}) == "");
    BOOST_TEST(warnings({"--hflip"}) ==
               "warning: --hflip has no effect on mnist, whose images are never mirrored\n");
    BOOST_TEST(warnings({"--no-hflip"}) == "");
    const std::string file = data.file("recipe.toml", "opt = \"adamw\"\nmomentum = 0.8\n");
    BOOST_TEST(warnings({"--config", file}) == "");  // a recipe may hold options for other runs
}

BOOST_AUTO_TEST_SUITE_END()
