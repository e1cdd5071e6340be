#include "run/deploy/options.h"

#include <set>

#include "run/command_line/flag_table.h"
#include "run/command_line/parse.h"
#include "run/train/run_folder.h"
#include "run/version.h"
#include "tensor/check.h"

namespace gradus {

std::vector<Flag> deploy_flags(DeployOptions& o) {
    FlagTable table;
    const auto add = [&](const char* names, FlagTarget target, const char* help) -> Flag& {
        return table.add(names, target, help).used_for(FlagUse::call).on_first_page();
    };
    add("--hardware,--backend", &o.hardware, "target with the run's formats, else the run's own");
    add("--images", &o.images, "of the test set; else all of them, with --golden 4").range(1, 1e15);
    add("--data-path,--data-dir,--data", &o.data_path, "folder of the data files, else the run's")
        .shown_as("DIR");
    add("--layers", &o.layers, "the table of layers (--no-layers)").used_for(FlagUse::recipe);
    add("--gap", &o.gap, "how far the textbook float simulation (qdq) is from the integers");
    add("--golden", &o.golden, "write inputs, weights, accumulators and outputs of every layer")
        .shown_as("DIR");
    add("--logits", &o.logits, "write labels and logits of every image as .npy files")
        .shown_as("DIR");
    add("--verify", &o.verify, "replay such a bundle from its files alone; takes no RUN")
        .shown_as("DIR");
    add("--onnx", &o.onnx, "write the network as an ONNX file").shown_as("FILE");
    add("--target", &o.target, "onnxruntime (the default), tensorrt, openvino, qonnx or float")
        .one_of({"onnxruntime", "tensorrt", "openvino", "qonnx", "float"})
        .shown_as("NAME");
    add("--form", &o.form, "floats between quantizers (qdq), or operators on codes (qoperator)")
        .one_of({"qdq", "qoperator"});
    add("--encodings", &o.encodings, "write the grids as AIMET's encodings").shown_as("FILE");
    add("--tensorrt-ranges", &o.tensorrt_ranges, "write the dynamic ranges of activations")
        .shown_as("FILE");
    add("--threads", &o.threads, "CPU threads; 0: the cores it may use").range(0, 1024);
    add("--json", &o.json, "one JSON object instead of the tables");
    add("-h,--help", &o.help, "this page").used_for(FlagUse::question);
    add("--version", &o.version, "version and build").used_for(FlagUse::question);
    return table.take();
}

namespace {

const char* const kDeployUsage =
    "Runs what ./train left in integers on the test set and shows every layer's numbers.\n"
    "usage: ./deploy RUN [flags]          RUN: a run folder, or runs/latest\n"
    "       ./deploy --verify DIR         DIR: what --golden wrote\n";

void check_exports(const DeployOptions& o) {
    const auto alone = [&](const std::string& value, const char* flag) {
        check_kind(value.empty() || !o.onnx.empty(), ErrorKind::usage, flag,
                   " says how --onnx writes its file; add --onnx FILE or drop it");
    };
    alone(o.target, "--target");
    alone(o.form, "--form");
    check_kind(o.form.empty() || o.target.empty() || o.target == "onnxruntime", ErrorKind::usage,
               "--form ", o.form, ": only --target onnxruntime has two forms, ", o.target,
               " has one; drop it");
    check_kind(o.layers || !o.json, ErrorKind::usage,
               "--no-layers leaves out a table, and --json prints none; drop one of them");
    std::set<std::string> paths;
    for (const std::string& path : {o.onnx, o.encodings, o.tensorrt_ranges, o.golden, o.logits}) {
        check_kind(path.empty() || paths.insert(path).second, ErrorKind::usage, path,
                   " is to be written twice; give every output a path of its own");
        check_kind(path.empty() || !belongs_to_run(path, o.run), ErrorKind::usage, path,
                   " is a file of the run itself; choose another path");
    }
}

// A bundle is replayed from its files alone: flags about a run are refused next to --verify.
void check_alone(const DeployOptions& o, const std::set<std::string>& given) {
    check_kind(o.run.empty(), ErrorKind::usage,
               "--verify replays a bundle from its files alone; drop ", o.run);
    for (const std::string& flag : given) {
        const bool fits =
            flag == "verify" || flag == "layers" || flag == "threads" || flag == "json";
        check_kind(fits, ErrorKind::usage,
                   "--verify replays a bundle from its files alone; drop --", flag);
    }
}

}  // namespace

DeployOptions parse_deploy(int argc, const char* const* argv) {
    DeployOptions options;
    const std::set<std::string> given =
        set_from_arguments(deploy_flags(options), argc, argv, &options.run);
    if (options.version) options.answer = version_line() + "\n";
    if (options.help) {
        DeployOptions defaults;
        options.answer = help_text(kDeployUsage, deploy_flags(defaults), false);
    }
    if (!options.answer.empty()) return options;
    options.given = given;
    if (!options.verify.empty()) check_alone(options, given);
    check_exports(options);
    check_kind(!options.run.empty() || !options.verify.empty(), ErrorKind::usage,
               "nothing to deploy; name the folder of a run, as runs/latest (see --help)");
    return options;
}

}  // namespace gradus
