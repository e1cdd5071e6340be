#include "io/golden.h"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "integer/execute.h"
#include "integer/rule_constants.h"
#include "integer/ties.h"
#include "io/atomic_file.h"
#include "io/golden_numbers.h"
#include "io/npy.h"
#include "io/sha256.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;
using Json = GoldenJson;

// Writes into a temporary folder next to the target and renames it when complete.
class NewFolder {
  public:
    explicit NewFolder(const std::string& path)
        : path_(path), temporary_(join(path, ".tmp.", getpid())) {
        std::error_code error;
        fs::remove_all(temporary_, error);
        fs::create_directories(temporary_, error);
        check(!error, "cannot make the folder ", temporary_, ": ", error.message(),
              "; choose another folder");
    }
    ~NewFolder() {
        std::error_code ignored;
        if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
    }
    NewFolder(const NewFolder&) = delete;
    NewFolder& operator=(const NewFolder&) = delete;

    std::string file(const std::string& name) const { return temporary_ + "/" + name; }

    void make(const std::string& name) const {
        std::error_code error;
        fs::create_directory(file(name), error);
        check(!error, "cannot make the folder ", file(name), ": ", error.message());
    }

    // Moves an older bundle aside first, so that the target never holds a mixture.
    void commit() {
        const std::string aside = join(path_, ".old.", getpid());
        std::error_code error;
        if (fs::exists(path_)) fs::rename(path_, aside, error);
        if (!error) fs::rename(temporary_, path_, error);
        check(!error, "cannot put the bundle at ", path_, ": ", error.message());
        temporary_.clear();
        fs::remove_all(aside, error);
    }

  private:
    std::string path_;
    std::string temporary_;
};

class GoldenWriter {
  public:
    GoldenWriter(const NewFolder& folder, const QuantizedModel& model, const Program& program,
                 const GoldenStep& step)
        : folder_(folder),
          model_(model),
          program_(program),
          step_(step),
          grids_(register_grids(model, program)) {}

    Json write(const Tensor& images, const GoldenFacts& facts) {
        const Tensor logits =
            execute(program_, images, IntegerKernel::readable, nullptr,
                    {[&](const Instruction&, const Tensor& sums) { accumulator_ = sums; },
                     [&](const Instruction& i, const std::vector<Tensor>& inputs,
                         const Tensor& output) { layers_.push_back(layer(i, inputs, output)); }});
        Json manifest{{"format", kGoldenFormat}, {"facts", facts}};
        manifest["program"] = program_json(images);
        manifest["images"] = file("images", images);
        manifest["logits"] = file("logits", logits);
        manifest["layers"] = layers_;
        return manifest;
    }

  private:
    Json file(const std::string& path, const Tensor& tensor) const {
        const std::string name = path + ".npy";
        save_npy(folder_.file(name), tensor);
        return {{"name", name},
                {"shape", tensor.shape().extents()},
                {"dtype", dtype_name(tensor.dtype())},
                {"sha256", sha256_file(folder_.file(name))}};
    }

    Json program_json(const Tensor& images) const {
        const Hardware& row = *model_.hardware;
        return {{"hardware", row.name},
                {"rules", rules_text(row, model_.recipe.accumulator)},
                {"standing", row.exact ? "exact" : "nominal"},
                {"evidence", row.evidence},
                {"images", images.shape()[0]},
                {"registers", program_.registers},
                {"output", program_.output}};
    }

    Json layer(Instruction i, const std::vector<Tensor>& inputs, const Tensor& output) {
        add_unused_constants(i);
        const std::string folder = golden_folder(layers_.size(), i.name);
        folder_.make(folder);
        Json json{{"folder", folder}, {"name", i.name}, {"op", i.op}, {"float", i.is_float}};
        json["quantizer"] = i.quantizer.empty() ? Json() : Json(i.quantizer);
        json["rule"] = rule_json(i);
        json["attributes"] = attributes_json(i);
        json["inputs"] = Json::array();
        for (size_t k = 0; k < inputs.size(); ++k) {
            const std::string name = k == 0 ? "input" : join("input_", k + 1);
            json["inputs"].push_back({{"register", i.inputs[k]},
                                      {"grid", grid_json(i.inputs[k])},
                                      {"file", file(folder + "/" + name, inputs[k])}});
        }
        json["weight"] = weight_json(i);
        json["constants"] = constants_json(i, folder);
        json["real_bias_unit"] = golden_bias_unit(i);
        if (i.op == "add" && !i.is_float) json["elements"] = golden_add_elements();
        if (averages(i)) json["average"] = golden_average(i, inputs[0].shape());
        json["accumulator"] =
            accumulator_.defined() ? file(folder + "/accumulator", accumulator_) : Json();
        accumulator_ = Tensor();
        json["output"] = {{"register", i.output},
                          {"grid", grid_json(i.output)},
                          {"file", file(folder + "/output", output)}};
        json["ties"] = ties_json(i, inputs, folder);
        if (step_) step_();
        return json;
    }

    static Json rule_json(const Instruction& i) {
        if (i.is_float || !i.attributes.has("rule")) return {};
        if (i.op == "add") return rule_name(rule_of<AddRule>(i));
        if (averages(i)) return rule_name(rule_of<PoolRule>(i));
        return rule_name(rule_of<RequantizeRule>(i));
    }

    // Leaves out the rule's number, which is internal (its name is above), and the flag that keeps
    // accumulators.
    static Json attributes_json(const Instruction& i) {
        Json json = Json::object();
        for (const auto& [name, value] : i.attributes.values()) {
            if (name == "rule" || name == "accumulator") continue;
            Json& entry = json[name];  // clang 14 captures no name of a structured binding
            std::visit([&](const auto& v) { entry = v; }, value);
        }
        return json;
    }

    Json grid_json(int reg) const { return golden_grid(grids_.at(reg)); }

    Json weight_json(const Instruction& i) const {
        const Quantizer* q =
            i.is_float || !i.constants.count("weight") ? nullptr : weight_quantizer(model_, i.name);
        if (!q) return {};
        return golden_weight(q->format, q->grid().scale.to_vector<float>());
    }

    Json constants_json(const Instruction& i, const std::string& folder) const {
        Json json = Json::object();
        for (const auto& [name, value] : i.constants) {
            json[name] = file(folder + "/" + constant_file(i, name), value);
        }
        return json;
    }

    Json ties_json(const Instruction& i, const std::vector<Tensor>& inputs,
                   const std::string& folder) const {
        std::vector<std::optional<RegisterGrid>> grids;
        for (const int input : i.inputs) grids.push_back(grids_.at(input));
        const Ties ties = make_ties(i, grids, inputs.at(0).shape());
        if (ties.given.empty()) return {};
        Json json = Json::object();
        for (const auto& [name, tensor] : ties.given) {
            json[name] = file(folder + "/ties_" + name, tensor);
        }
        json["output"] = file(folder + "/ties_output", ties.output);
        return json;
    }

    // Names constants of float operators by position: "input1" would read as an input.
    static std::string constant_file(const Instruction& i, const std::string& name) {
        return i.is_float ? "constant_" + name : name;
    }

    const NewFolder& folder_;
    const QuantizedModel& model_;
    const Program& program_;
    const GoldenStep& step_;
    const std::vector<std::optional<RegisterGrid>> grids_;
    Tensor accumulator_;  // of the current instruction
    Json layers_ = Json::array();
};

std::string without_slash(std::string folder) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    return folder;
}

// The files of an earlier bundle; empty if its manifest cannot be read.
std::set<std::string> files_of_bundle(const std::string& folder) {
    const Json manifest = read_golden_manifest(folder);
    if (manifest.is_null()) return {};
    std::set<std::string> names{kGoldenManifest, kGoldenSums};
    try {
        for_each_golden_file(manifest, [&](const Json& e) { names.insert(e.at("name")); });
    } catch (const nlohmann::json::exception&) {
        return {};
    }
    return names;
}

}  // namespace

void check_golden_folder(const std::string& folder) {
    std::error_code ignored;
    if (!fs::exists(folder, ignored)) return;
    check_kind(fs::is_directory(folder, ignored) && !fs::is_symlink(without_slash(folder), ignored),
               ErrorKind::usage, folder, " is no folder of its own; name another one");
    const std::set<std::string> known = files_of_bundle(folder);
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        const std::string name = entry.path().lexically_relative(folder).string();
        check_kind(entry.is_directory() ? !known.empty() : known.count(name) > 0, ErrorKind::usage,
                   folder, " holds ", name, ", which is no part of a golden bundle; name a new or ",
                   "empty folder");
    }
}

void save_golden(const std::string& folder, const QuantizedModel& model, const Program& program,
                 const Tensor& images, const GoldenFacts& facts, const GoldenStep& step) {
    check_golden_folder(folder);
    NewFolder place(without_slash(folder));
    const Json manifest = GoldenWriter(place, model, program, step).write(images, facts);
    const std::string text = manifest.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    write_file_atomically(place.file(kGoldenManifest), text);
    write_file_atomically(place.file(kGoldenSums), golden_sums(manifest, text));
    place.commit();
}

}  // namespace gradus
