// The reader of golden bundles: uses only the files, the readable kernel and the rules.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <type_traits>

#include "integer/compare.h"
#include "integer/execute.h"
#include "integer/rule_constants.h"
#include "integer/ties.h"
#include "io/golden.h"
#include "io/golden_numbers.h"
#include "io/npy.h"
#include "io/sha256.h"
#include "quant/average.h"

namespace gradus {

namespace {

using Json = GoldenJson;

std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    check_kind(file.good(), ErrorKind::data, path,
               ": cannot be read; a golden bundle is what ./deploy --golden wrote, whole");
    return {std::istreambuf_iterator<char>(file), {}};
}

// Reads the manifest after checking it against the sums.
Json trusted_manifest(const std::string& folder) {
    const std::string path = folder + "/" + kGoldenManifest, sums_path = folder + "/" + kGoldenSums;
    const std::string text = content_of(path), sums = content_of(sums_path);
    const std::string own = sha256_hex(text) + "  " + kGoldenManifest + "\n";
    check_kind(
        sums.size() >= own.size() && sums.compare(sums.size() - own.size(), own.size(), own) == 0,
        ErrorKind::data, path, ": has another SHA-256 than ", kGoldenSums,
        " says; one of the two is damaged");
    const Json manifest = read_golden_manifest(folder);
    check_kind(!manifest.is_null() && manifest.at("format") == kGoldenFormat, ErrorKind::data, path,
               ": is no manifest of the format ", kGoldenFormat,
               "; write the bundle again with ./deploy RUN --golden DIR");
    check_kind(sums == golden_sums(manifest, text), ErrorKind::data, sums_path,
               ": other sums than those of ", kGoldenManifest, "; the file is damaged");
    return manifest;
}

DType dtype_of(const std::string& name) {
    for (const DType dtype : {DType::F32, DType::I8, DType::U8, DType::I32, DType::I64}) {
        if (name == dtype_name(dtype)) return dtype;
    }
    fail(ErrorKind::data, "unknown dtype ", name);
}

template <class Rule>
Rule rule_by_name(const std::string& name, Rule last) {
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        if (name == rule_name(static_cast<Rule>(i))) return static_cast<Rule>(i);
    }
    fail(ErrorKind::data, "unknown rule ", name);
}

int64_t rule_number(const std::string& op, const std::string& name) {
    if (op == "add") return static_cast<int64_t>(rule_by_name(name, AddRule::real));
    if (op == "global_average_pool" || op == "average_pool2d") {
        return static_cast<int64_t>(rule_by_name(name, kLastPoolRule));
    }
    return static_cast<int64_t>(rule_by_name(name, RequantizeRule::r10));
}

AttributeValue attribute_value(const Json& value) {
    if (value.is_number_integer()) return value.get<int64_t>();
    if (value.is_number_float()) return value.get<double>();
    if (value.is_array()) return value.get<std::vector<int64_t>>();
    return value.get<std::string>();
}

std::string place_text(const Tensor& t, int64_t element) {
    std::string text;
    for (int axis = static_cast<int>(t.shape().rank()) - 1; axis >= 0; --axis) {
        const int64_t extent = t.shape()[axis];
        text = join(element % extent, text.empty() ? "" : ", ", text);
        element /= extent;
    }
    return "[" + text + "]";
}

// Returns "" or the first difference.
std::string difference(const std::string& name, const Tensor& stored, const Tensor& computed,
                       const char* source) {
    if (stored.shape() != computed.shape() || stored.dtype() != computed.dtype()) {
        return join(name, " is ", stored.dtype(), stored.shape(), ", ", source, " ",
                    computed.dtype(), computed.shape());
    }
    const int64_t e = first_difference(stored, computed);
    if (e < 0) return "";
    return join(name, place_text(stored, e), " is ", element_text(stored, e), ", ", source, " ",
                element_text(computed, e));
}

void require(bool ok, const std::string& what) {
    check_kind(ok, ErrorKind::data, what);
}

// Checks the conditions that the kernels assume. The rules check their own constants.
void validate(const Instruction& i, const std::vector<Tensor>& inputs) {
    require(!inputs.empty(), "a layer that reads nothing");
    const bool reals = i.op == "quantize";
    for (const Tensor& x : inputs) {
        const bool codes = x.dtype() == DType::I8 || x.dtype() == DType::U8;
        require(reals ? x.dtype() == DType::F32 : codes, "an input of the wrong dtype");
    }
    require(i.op == "concat" || inputs.size() == (i.op == "add" ? 2 : 1) ||
                (i.op == "conv2d" && inputs.size() == 2),
            "a wrong number of inputs");
    require(i.op != "add" || inputs[0].shape() == inputs[1].shape(), "inputs of unequal shapes");
    const bool pixels = i.op == "conv2d" || i.op == "max_pool2d" || i.op == "average_pool2d" ||
                        i.op == "global_average_pool";
    const int rank = inputs[0].shape().rank();
    require(!pixels || rank == 4, "an input that is not N H W C");
    require(i.op != "linear" || rank == 2, "an input that is not N C");
    const auto weight = i.constants.find("weight");
    require((weight != i.constants.end()) == (i.op == "conv2d" || i.op == "linear"),
            "weights where none belong, or none");
    if (weight == i.constants.end()) return;
    require(weight->second.shape().rank() == rank, "weights of another rank");
    const int64_t filters = weight->second.shape()[0];
    for (const auto& [name, tensor] : i.constants) {
        const bool one =
            name == "shortcut_ratio" || (name == "weight_zero_point" && tensor.numel() == 1);
        require(name == "weight" || tensor.numel() == (one ? 1 : filters),
                name + " is not one number for each filter");
    }
}

class GoldenReader {
  public:
    GoldenReader(const std::string& folder, const Json& manifest)
        : folder_(folder), manifest_(manifest) {}

    std::vector<GoldenLayer> replay(const GoldenStep& step) {
        given_[0] = load(manifest_.at("images"));
        std::vector<GoldenLayer> layers;
        for (const Json& layer : manifest_.at("layers")) {
            layers.push_back(replay_layer(layer));
            if (step) step();
            if (!layers.back().difference.empty()) return layers;
        }
        const Json& logits = manifest_.at("logits");
        const Tensor& output = register_of(manifest_.at("program").at("output"));
        layers.push_back({"logits.npy", "output", true,
                          difference("logits.npy", load(logits), output, "the last layer gave")});
        if (layers.back().difference.empty()) {
            layers.back().difference = as_damage("", [&] { return golden_difference(manifest_); });
        }
        return layers;
    }

  private:
    Tensor load(const Json& entry) const {
        const std::string name = entry.at("name");
        const std::string path = folder_ + "/" + name;
        check_kind(name.find("..") == std::string::npos && name[0] != '/', ErrorKind::data, path,
                   ": leaves the bundle");
        check_kind(sha256_file(path) == entry.at("sha256").get<std::string>(), ErrorKind::data,
                   path, ": has another SHA-256 than the manifest says; the file is damaged");
        const Tensor tensor = load_npy(path);
        check_kind(tensor.shape() == Shape(entry.at("shape").get<std::vector<int64_t>>()) &&
                       tensor.dtype() == dtype_of(entry.at("dtype")),
                   ErrorKind::data, path, ": is ", tensor.dtype(), tensor.shape(),
                   ", which is not what the manifest says");
        return tensor;
    }

    // Reports files that contradict each other as damaged.
    template <class Work>
    std::invoke_result_t<const Work&> as_damage(const std::string& layer, const Work& work) const {
        try {
            return work();
        } catch (const Error& error) {
            fail(ErrorKind::data, folder_, "/", layer.empty() ? kGoldenManifest : layer,
                 ": cannot be replayed: ", error.what());
        } catch (const std::out_of_range&) {  // from a map or vector: an entry is missing
            fail(ErrorKind::data, folder_, "/", layer.empty() ? kGoldenManifest : layer,
                 ": cannot be replayed: a constant or an input is missing");
        }
    }

    const Hardware& row() const { return find_hardware(manifest_.at("program").at("hardware")); }

    const Tensor& register_of(int index) const {
        const auto found = given_.find(index);
        check_kind(found != given_.end(), ErrorKind::data, folder_, "/", kGoldenManifest,
                   ": register ", index, " is read before it is written");
        return found->second;
    }

    GoldenLayer replay_layer(const Json& layer) {
        GoldenLayer result{layer.at("folder"), layer.at("op"), !layer.at("float").get<bool>(), ""};
        const Instruction instruction = instruction_of(layer);
        std::vector<Tensor> inputs;
        for (const Json& input : layer.at("inputs")) {
            inputs.push_back(load(input.at("file")));
            if (!result.difference.empty()) continue;
            result.difference =
                difference(input.at("file").at("name"), inputs.back(),
                           register_of(input.at("register")), "the layer before gave");
        }
        const Json& sums = layer.at("accumulator");
        const Tensor stored_sums = sums.is_null() ? Tensor() : load(sums);
        const Json& output = layer.at("output");
        const Tensor stored = load(output.at("file"));
        given_[output.at("register").get<int>()] = stored;
        if (result.replayed && result.difference.empty()) {
            compare(instruction, inputs, stored_sums, stored, layer, result);
        }
        if (result.difference.empty()) result.difference = ties_difference(instruction, layer);
        if (result.difference.empty()) {
            result.difference = as_damage(result.folder, [&] {
                return golden_difference(layer, instruction, inputs, stored, row(), grids_);
            });
        }
        return result;
    }

    // Computes the layer again and compares.
    void compare(const Instruction& instruction, const std::vector<Tensor>& inputs,
                 const Tensor& stored_sums, const Tensor& stored, const Json& layer,
                 GoldenLayer& result) const {
        Tensor computed_sums;
        const Tensor computed = as_damage(result.folder, [&] {
            validate(instruction, inputs);
            return execute(instruction, inputs, IntegerKernel::readable,
                           [&](const Instruction&, const Tensor& a) { computed_sums = a; });
        });
        if (stored_sums.defined() != computed_sums.defined()) {
            result.difference = result.folder + " has accumulators on one side only";
        } else if (stored_sums.defined()) {
            result.difference = difference(layer.at("accumulator").at("name"), stored_sums,
                                           computed_sums, "replaying gives");
        }
        if (result.difference.empty()) {
            result.difference = difference(layer.at("output").at("file").at("name"), stored,
                                           computed, "replaying gives");
        }
    }

    // The layer's output on its tie vectors, by the readable kernel.
    std::string ties_difference(const Instruction& instruction, const Json& layer) const {
        const Json& ties = layer.at("ties");
        const std::string folder = layer.at("folder");
        if (ties.is_null() != !rounds(instruction)) return folder + ": ties on one side only";
        if (ties.is_null()) return "";
        std::map<std::string, Tensor> given;
        for (const auto& [name, entry] : ties.items()) given[name] = load(entry);
        const Tensor stored = given.at("output");
        given.erase("output");
        const Tensor computed = as_damage(folder, [&] { return replay_ties(instruction, given); });
        return difference(ties.at("output").at("name"), stored, computed, "replaying gives");
    }

    Instruction instruction_of(const Json& layer) const {
        Instruction i;
        i.name = layer.at("name");
        i.op = layer.at("op");
        i.is_float = layer.at("float");
        i.output = layer.at("output").at("register");
        for (const auto& [name, value] : layer.at("attributes").items()) {
            i.attributes.set(name, attribute_value(value));
        }
        if (!layer.at("rule").is_null()) {
            i.attributes.set("rule", rule_number(i.op, layer.at("rule")));
        }
        for (const Json& input : layer.at("inputs")) i.inputs.push_back(input.at("register"));
        for (const auto& [name, entry] : layer.at("constants").items()) {
            i.constants[name] = load(entry);
        }
        return i;
    }

    const std::string& folder_;
    const Json& manifest_;
    std::map<int, Tensor> given_;  // by register
    GoldenGrids grids_;
};

}  // namespace

std::vector<GoldenLayer> verify_golden(const std::string& folder, const GoldenStep& step) {
    try {
        const Json manifest = trusted_manifest(folder);
        return GoldenReader(folder, manifest).replay(step);
    } catch (const nlohmann::json::exception& error) {
        fail(ErrorKind::data, folder, "/", kGoldenManifest, ": damaged (", error.what(), ")");
    }
}

}  // namespace gradus
