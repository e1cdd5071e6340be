#include "run/train/checkpoint.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "io/safetensors.h"
#include "io/weight_layout.h"
#include "models/weight_names.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using nlohmann::json;

const std::string kOptimizerPrefix = "optimizer/";

std::string position_text(const RunPosition& p) {
    return json{{"phase", p.phase},
                {"epoch", p.epoch},
                {"batch", p.batch},
                {"step", p.step},
                {"phase_step", p.phase_step},
                {"loss_sum", p.loss_sum},
                {"correct", p.correct},
                {"seen", p.seen},
                {"float_top1", p.float_top1},
                {"calibrated_top1", p.calibrated_top1},
                {"seconds", p.seconds},
                {"start_loss", p.start.loss},
                {"start_largest", p.start.largest}}
        .dump();
}

RunPosition parse_position(const std::string& text) {
    const json j = json::parse(text);
    RunPosition p;
    p.phase = j.at("phase");
    p.epoch = j.at("epoch");
    p.batch = j.at("batch");
    p.step = j.at("step");
    p.phase_step = j.at("phase_step");
    p.loss_sum = j.at("loss_sum");
    p.correct = j.at("correct");
    p.seen = j.at("seen");
    p.float_top1 = j.at("float_top1");
    p.calibrated_top1 = j.at("calibrated_top1");
    p.seconds = j.at("seconds");
    p.start.loss = j.at("start_loss");
    p.start.largest = j.at("start_largest").get<std::map<std::string, float>>();
    return p;
}

// Adaptive signs are decided by calibration: part of the state.
std::string signs_text(const std::vector<std::shared_ptr<Quantizer>>& quantizers) {
    json signs = json::object();
    for (const auto& q : quantizers) signs[q->name] = q->format.is_signed;
    return signs.dump();
}

void restore_signs(const std::string& text,
                   const std::vector<std::shared_ptr<Quantizer>>& quantizers) {
    const json signs = json::parse(text);
    for (const auto& q : quantizers) q->format.is_signed = signs.at(q->name);
}

std::string metadata_entry(const SafetensorsFile& file, const std::string& path,
                           const std::string& key) {
    const auto found = file.metadata.find(key);
    check_kind(found != file.metadata.end(), ErrorKind::data, path, ": no ", key,
               " in it; not the checkpoint of a run");
    return found->second;
}

void read_metadata(const SafetensorsFile& file, const std::string& path, RunPosition& position,
                   const std::vector<std::shared_ptr<Quantizer>>& quantizers) {
    try {
        position = parse_position(metadata_entry(file, path, "position"));
        restore_signs(metadata_entry(file, path, "signs"), quantizers);
    } catch (const json::exception& error) {
        fail(ErrorKind::data, path, ": damaged checkpoint (", error.what(), ")");
    }
}

std::map<std::string, Tensor> optimizer_state(const SafetensorsFile& file,
                                              const std::string& path) {
    std::map<std::string, Tensor> state;
    for (const auto& [name, tensor] : file.tensors) {
        if (name.rfind(kOptimizerPrefix, 0) == 0) {
            state[name.substr(kOptimizerPrefix.size())] = tensor;
        }
    }
    check_kind(state.count("steps") > 0, ErrorKind::data, path,
               ": no state of the optimizer in it; not the checkpoint of a run");
    return state;
}

// A file's tensors under our names, as far as a scheme knows them.
struct NamedWeights {
    const NamingScheme* scheme = nullptr;
    std::map<std::string, Tensor> tensors;
    std::set<std::string> read;  // their names in the file
};

NamedWeights best_scheme(const std::map<std::string, Tensor>& file,
                         const ParameterList& parameters) {
    NamedWeights best;
    for (const NamingScheme& scheme : naming_schemes()) {
        NamedWeights weights{&scheme, {}, {}};
        for (const auto& [ours, theirs] : names_in(scheme, parameters)) {
            const auto found = file.find(theirs);
            if (found == file.end()) continue;
            weights.tensors[ours] = found->second;
            weights.read.insert(theirs);
        }
        if (!best.scheme || weights.tensors.size() > best.tensors.size()) best = weights;
    }
    return best;
}

// "bn1.num_batches_tracked" stands next to "bn1.running_mean".
std::string with_mean(const std::string& step_counter) {
    return step_counter.substr(0, step_counter.rfind('.') + 1) + "running_mean";
}

// The tensor of the file that ends with `name` after a prefix, as wrappers of a network give it; ""
// if none does.
std::string prefixed(const std::map<std::string, Tensor>& file, const std::string& name) {
    std::string shortest;
    for (const auto& [theirs, tensor] : file) {
        const bool shorter = shortest.empty() || theirs.size() < shortest.size();
        if (theirs.ends_with("." + name) && shorter) shortest = theirs;
    }
    return shortest;
}

std::string scheme_list() {
    std::string list;
    for (const NamingScheme& scheme : naming_schemes()) {
        list += (list.empty() ? "" : ", ") + std::string(scheme.name);
    }
    return list;
}

}  // namespace

std::map<std::string, Tensor> export_parameters(const ParameterList& parameters) {
    std::map<std::string, Tensor> tensors;
    for (const auto& parameter : parameters) {
        tensors[parameter->name] = filters_to_file(parameter->value.to(Device::cpu()));
    }
    return tensors;
}

void import_parameters(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const ParameterList& parameters) {
    for (const auto& parameter : parameters) {
        const auto found = tensors.find(parameter->name);
        check_kind(found != tensors.end(), ErrorKind::usage, path, ": has no tensor ",
                   parameter->name,
                   "; it is the checkpoint of another model (see --model, --stem)");
        const Tensor value = filters_from_file(found->second);
        check_kind(value.dtype() == parameter->value.dtype(), ErrorKind::data, path, ": ",
                   parameter->name, " is ", value.dtype(), ", the network needs ",
                   parameter->value.dtype(), "; scripts/convert_weights.py converts it");
        check_kind(value.shape() == parameter->value.shape(), ErrorKind::usage, path, ": ",
                   parameter->name, " is ", found->second.shape(), ", the network needs ",
                   filters_to_file(parameter->value).shape(),
                   "; it is the checkpoint of another model (see --model, --stem, --num-classes)");
        parameter->value.copy_from(value);
    }
}

void save_network(const std::string& path, const ParameterList& parameters,
                  const std::map<std::string, std::string>& metadata) {
    save_safetensors(path, export_parameters(parameters), metadata);
}

std::string WeightsMatch::text() const {
    std::string text = join(matched, " of ", tensors, " tensors matched by ", scheme, " names");
    if (!left_out.empty())
        text += "; left out: " + left_out + (tensors - matched > 1 ? ", ..." : "");
    return text;
}

namespace {

void refuse_damaged(const std::string& path, const ParameterList& parameters) {
    for (const auto& parameter : parameters) {
        const bool variance = parameter->name.ends_with("running_var");
        const float* x = parameter->value.data<float>();
        const float* end = x + parameter->value.numel();
        const float* bad = std::find_if(
            x, end, [&](float v) { return !std::isfinite(v) || (variance && v < 0.0f); });
        check_kind(bad == end, ErrorKind::data, path, ": ", parameter->name, " has the value ",
                   bad == end ? 0.0f : *bad, "; its training diverged or the file is damaged");
    }
}

}  // namespace

WeightsMatch load_network(const std::string& path, const ParameterList& parameters) {
    const std::map<std::string, Tensor> file = load_safetensors(path).tensors;
    const NamedWeights weights = best_scheme(file, parameters);
    const std::string wrapped = prefixed(file, parameters.at(0)->name);
    check_kind(!weights.tensors.empty() || wrapped.empty(), ErrorKind::usage, path, ": has ",
               wrapped, " where ", parameters.at(0)->name,
               " is looked for; scripts/convert_weights.py takes such prefixes off");
    check_kind(!weights.tensors.empty(), ErrorKind::usage, path, ": has no tensor ",
               parameters.at(0)->name, " by any naming scheme that is known (", scheme_list(),
               "); it is the checkpoint of another model (see --model, --stem)");
    import_parameters(path, weights.tensors, parameters);
    refuse_damaged(path, parameters);
    WeightsMatch match{weights.scheme->name, weights.tensors.size(), file.size(), ""};
    for (const auto& [name, tensor] : file) {
        if (is_step_counter(name) && weights.read.count(with_mean(name))) {
            ++match.matched;
        } else if (match.left_out.empty() && !weights.read.count(name)) {
            match.left_out = name;
        }
    }
    return match;
}

void save_quantized(const std::string& path, const QuantizedModel& model,
                    std::map<std::string, std::string> metadata) {
    metadata["signs"] = signs_text(model.quantizers);
    save_network(path, model.training.parameters(), metadata);
}

void load_quantized(const std::string& path, QuantizedModel& model) {
    const SafetensorsFile file = load_safetensors(path);
    import_parameters(path, file.tensors, model.training.parameters());
    if (!model.hardware->adaptive_sign) return;
    try {
        restore_signs(metadata_entry(file, path, "signs"), model.quantizers);
    } catch (const json::exception& error) {
        fail(ErrorKind::data, path, ": damaged checkpoint (", error.what(), ")");
    }
}

void CheckpointStore::save(const RunPosition& position, const ParameterList& parameters,
                           const Optimizer& optimizer,
                           const std::vector<std::shared_ptr<Quantizer>>& quantizers) {
    std::map<std::string, Tensor> tensors = export_parameters(parameters);
    for (const auto& [name, state] : optimizer.export_state()) {
        tensors[kOptimizerPrefix + name] = state;
    }
    const std::string fresh = folder_ + "/next.safetensors";
    save_safetensors(fresh, tensors,
                     {{"format", "gradus run 1"},
                      {"position", position_text(position)},
                      {"signs", signs_text(quantizers)}});
    if (std::filesystem::exists(last())) std::filesystem::rename(last(), previous());
    std::filesystem::rename(fresh, last());
}

bool CheckpointStore::load(RunPosition& position, const ParameterList& parameters,
                           Optimizer& optimizer,
                           const std::vector<std::shared_ptr<Quantizer>>& quantizers,
                           const std::function<void(const std::string&)>& warn) const {
    std::string trouble;
    for (const std::string& path : {last(), previous()}) {
        if (!std::filesystem::exists(path)) continue;
        try {
            const SafetensorsFile file = load_safetensors(path);
            read_metadata(file, path, position, quantizers);
            import_parameters(path, file.tensors, parameters);
            optimizer.import_state(optimizer_state(file, path));
            if (!trouble.empty()) warn(join("warning: ", trouble, "; going on from ", path));
            return true;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::data) throw;
            trouble = error.what();
        }
    }
    check_kind(trouble.empty(), ErrorKind::data, trouble, "; start again without --resume");
    return false;
}

}  // namespace gradus
