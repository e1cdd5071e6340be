#include "run/deploy/open_run.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/sha256.h"
#include "models/models.h"
#include "run/shell_word.h"
#include "run/train/assemble.h"
#include "run/train/checkpoint.h"
#include "run/train/load_network.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// Checks that the test images are those that the run was measured on.
void check_data(const std::string& folder, const DataSplits& data) {
    std::ifstream file(folder + "/run.json");
    const auto json = nlohmann::json::parse(file, nullptr, false);
    const bool known = json.is_object() && json.contains("data_sha256") &&
                       json["data_sha256"].contains("test") &&
                       json["data_sha256"]["test"].is_string();
    check_kind(known, ErrorKind::data, folder,
               "/run.json: no data_sha256 of the test images can be read; it is no whole run");
    Sha256 hash;
    hash_dataset(*data.test, hash);
    check_kind(json["data_sha256"]["test"] == hash.hex(), ErrorKind::data, data.announcement,
               ": other test images than those of the run in ", folder,
               "; give their folder by --data-path");
}

void check_deployable(const std::string& folder, const Options& options) {
    check_kind(options.algo != "none", ErrorKind::usage, "the run in ", folder,
               " has --algo none: a float network has no integers to deploy; --onnx FILE alone "
               "writes it as it is");
}

void check_finished(const std::string& folder) {
    std::error_code ignored;
    check_kind(std::filesystem::exists(folder + "/model.safetensors", ignored), ErrorKind::data,
               "the run in ", folder, " is not finished: it has no model.safetensors; go on with ",
               "./train --resume ", shell_word(folder));
}

// True for options that decide what ./train computes.
bool decides(const Flag& flag) {
    return flag.use == FlagUse::recipe && flag.name() != "data-path";
}

// Users may edit config.toml; run.json keeps the options that the run really used.
void check_config(const std::string& folder, const Options& options) {
    std::ifstream file(folder + "/run.json");
    const auto json = nlohmann::json::parse(file, nullptr, false);
    if (!json.is_object() || !json.contains("options")) return;  // incomplete: check_data says so
    const auto config = nlohmann::json::parse(options_json(options));
    Options values = options;
    std::string first;
    int differ = 0;
    for (const Flag& flag : train_flags(values)) {
        const std::string name = flag.name();
        if (!decides(flag) || !json["options"].contains(name)) continue;
        const auto &now = config[name], &then = json["options"][name];
        if (now == then) continue;
        if (differ++ == 0) first = join(name, " = ", now.dump(), ", and the run had ", then.dump());
    }
    check_kind(
        differ == 0, ErrorKind::data, folder, "/config.toml says ", first,
        differ == 1 ? "" : join(" (and ", differ - 1, differ == 2 ? " other)" : " others)"),
        ": it was changed since training; restore what run.json has under options, or train ",
        "a run of its own");
}

void choose_hardware(const std::string& name, Options& options) {
    const Hardware& trained = find_hardware(options.hardware);
    const Hardware& other = find_hardware(name);
    const std::string difference = row_difference(options, trained, other);
    check_kind(difference.empty(), ErrorKind::usage, "--hardware ", name,
               ": the run was trained for ", trained.name, ", which has ", difference,
               "; train for ", name, " or deploy on a row that agrees");
    options.hardware = name;
}

// Opens the data and builds the network with its initial weights.
void open_network(const std::string& folder, const std::string& data_path, OpenedRun& run) {
    if (!data_path.empty()) run.options.data_path = data_path;
    run.options.weights.clear();
    check_names(run.options);
    run.data = open_data(run.options);
    check_data(folder, run.data);
    run.network = build_network(run.options, *run.data.train);
    run.stem = resolve_stem(run.options.stem, run.data.train->image_shape());
}

QuantizedModel load_model(const std::string& folder, const Graph& network, const Options& options) {
    QuantizedModel model = quantize(network, recipe_of(options));
    const std::string reason = model.not_deployable();
    check_kind(reason.empty(), ErrorKind::usage, "the run in ", folder,
               " has no integers to deploy: ", reason);
    load_quantized(folder + "/model.safetensors", model);
    return model;
}

}  // namespace

std::string row_difference(const Options& run, const Hardware& a, const Hardware& b) {
    const auto differs = [](const char* what, const auto& trained, const auto& other) {
        return join(what, ' ', trained, " instead of ", other);
    };
    // The bit widths come from the recipe and are the same for both.
    if (a.weight != b.weight) return differs("weights", describe(a.weight), describe(b.weight));
    if (a.activation != b.activation) {
        return differs("activations", describe(a.activation), describe(b.activation));
    }
    if (a.adaptive_sign != b.adaptive_sign) {
        const auto text = [](bool adaptive) { return adaptive ? "by calibration" : "fixed"; };
        return differs("signs", text(a.adaptive_sign), text(b.adaptive_sign));
    }
    if (a.block_graph != b.block_graph) {
        return differs("block graph", a.block_graph, b.block_graph);
    }
    if (run.bn_fold == "auto" && a.bn_fold != b.bn_fold) {
        return differs("batch-norm folding", a.bn_fold, b.bn_fold);
    }
    return "";
}

OpenedRun open_run(const std::string& folder, const std::string& hardware,
                   const std::string& data_path) {
    OpenedRun run;
    run.options = options_of_run(folder);
    check_deployable(folder, run.options);
    check_finished(folder);
    check_config(folder, run.options);
    if (!hardware.empty()) choose_hardware(hardware, run.options);
    open_network(folder, data_path, run);
    run.model = load_model(folder, run.network, run.options);
    return run;
}

QuantizedModel trained_model(const std::string& folder, const Graph& network) {
    return load_model(folder, network, options_of_run(folder));
}

OpenedRun open_float_run(const std::string& folder, const std::string& data_path) {
    OpenedRun run;
    run.options = options_of_run(folder);
    check_kind(run.options.algo == "none", ErrorKind::usage, "the run in ", folder,
               " is quantized: it is no float network");
    check_finished(folder);
    check_config(folder, run.options);
    open_network(folder, data_path, run);
    load_network(folder + "/model.safetensors", run.network.parameters());
    return run;
}

}  // namespace gradus
