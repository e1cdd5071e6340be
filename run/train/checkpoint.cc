#include "run/train/checkpoint.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "io/weight_layout.h"
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

constexpr char kFormat[] = "gradus run 2";

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

// Calibration decides adaptive signs, so they are part of the state.
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
    check_kind(metadata_entry(file, path, "format") == kFormat, ErrorKind::data, path,
               ": the checkpoint of another version; start again without --resume");
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
                     {{"format", kFormat},
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
