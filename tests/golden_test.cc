// golden -- a bundle replays equal, can be computed by others, and every kind of damage is found.
#include "io/golden.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "integer/lower.h"
#include "io/npy.h"
#include "tests/compare.h"
#include "tests/golden_bundle.h"
#include "tests/pooled_network.h"
#include "tests/row_cases.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

namespace fs = std::filesystem;

const QuantizedModel& model_on(const std::string& hardware) {
    static std::map<std::string, QuantizedModel> models;
    if (!models.count(hardware)) models[hardware] = small_quantized(hardware, Simulate::exact);
    return models.at(hardware);
}

void save(const std::string& folder, const std::string& hardware, int64_t images = 1) {
    const QuantizedModel& model = model_on(hardware);
    save_golden(folder, model, lower(model), small_images(images), {{"model", "small"}});
}

// A bundle of one image that the tests of damage copy.
const std::string& sound_bundle() {
    static const TemporaryFolder folder;
    static const std::string path = folder.path("bundle");
    if (!fs::exists(path)) save(path, "onnxruntime");
    return path;
}

std::string copy_of_bundle(const TemporaryFolder& folder) {
    const std::string path = folder.path("copy");
    fs::remove_all(path);
    fs::copy(sound_bundle(), path, fs::copy_options::recursive);
    return path;
}

std::vector<std::string> files_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(folder));
    }
    std::sort(names.begin(), names.end());
    return names;
}

// The first difference that verify reports after one element of a file grew by one.
std::string after_increment(const std::string& name, int64_t element) {
    const TemporaryFolder folder;
    const std::string path = copy_of_bundle(folder);
    const Tensor tensor = load_npy(path + "/" + name);
    std::string bytes = read_bytes(path + "/" + name);
    const size_t at = bytes.size() - tensor.bytes() + element * dtype_bytes(tensor.dtype());
    bytes[at] = static_cast<char>(bytes[at] + 1);
    write_bytes(path + "/" + name, bytes);
    sign_again(path);
    return verify_golden(path).back().difference;
}

// Every leaf of a manifest by its JSON pointer; only three of many scales of a layer's channels.
std::map<std::string, GoldenJson> leaves_of(const GoldenJson& manifest) {
    std::map<std::string, GoldenJson> leaves;
    const std::function<void(const std::string&, const GoldenJson&)> walk =
        [&](const std::string& place, const GoldenJson& json) {
            if (!json.is_structured()) {
                leaves[place] = json;
                return;
            }
            for (const auto& [key, child] : json.items()) {
                const bool channel =
                    json.is_array() && (place.ends_with("scale") || place.ends_with("scale_hex"));
                if (!channel || std::stoul(key) < 2 || std::stoul(key) + 1 == json.size()) {
                    walk(place + "/" + key, child);
                }
            }
        };
    walk("", manifest);
    return leaves;
}

// Another value for a number or a text with the same role; empty for entries only people read.
std::optional<GoldenJson> changed_value(const std::string& place, const GoldenJson& value) {
    const auto is = [&](const char* part) { return place.find(part) != std::string::npos; };
    const auto ends = [&](const char* end) { return place.ends_with(end); };
    if (is("/facts/") || ends("/evidence") || ends("/quantizer") || ends("/sha256")) return {};
    if (value.is_boolean()) return !value.get<bool>();
    if (value.is_number_integer()) return value.get<int64_t>() + 1;
    if (value.is_number_float()) return std::nextafter(value.get<float>(), 1e30f);
    if (ends("_hex")) return "0x1.8p-3";
    return value.is_string() ? std::optional<GoldenJson>(value.get<std::string>() + "1")
                             : std::nullopt;
}

// True for the operator of a layer that computes in float: such layers are not replayed.
bool of_float(const GoldenJson& manifest, const std::string& place) {
    if (place.rfind("/layers/", 0) != 0) return false;
    const std::string rest = place.substr(8);
    const std::string key = rest.substr(rest.find('/') + 1);
    const bool is_operator = key == "op" || key.rfind("attributes/", 0) == 0;
    return is_operator && manifest.at("layers").at(std::stoul(rest)).at("float");
}

bool is_prefix(const std::string& start, const std::string& text) {
    return text.rfind(start, 0) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(golden, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(a_bundle_replays_on_every_row) {
    for (const Hardware& row : hardware_table()) {
        const TemporaryFolder folder;
        save(folder.path("g"), row.name, 2);
        const auto layers = verify_golden(folder.path("g"));
        size_t replayed = 0;
        for (const GoldenLayer& layer : layers) {
            BOOST_TEST(layer.difference == "", row.name);
            replayed += layer.replayed;
        }
        const size_t instructions = lower(model_on(row.name)).instructions.size();
        BOOST_TEST(layers.size() == instructions + 1, row.name);  // and the logits
        BOOST_TEST(replayed >= 8u, row.name);
        if (row.integer_throughout()) BOOST_TEST(replayed == layers.size(), row.name);
    }
}

// 3x3 windows with a pixel of padding that does not count: 4, 6 or 9 codes.
BOOST_AUTO_TEST_CASE(averages_of_windows_replay) {
    for (const char* hardware : {"tflite", "hexagon-nn", "onnxruntime"}) {
        Recipe recipe;
        recipe.hardware = hardware;
        const QuantizedModel model = small_quantized(recipe, 1, pooled_network(pool_windows[2]));
        const TemporaryFolder folder;
        save_golden(folder.path("g"), model, lower(model), small_images(1), {});
        for (const GoldenLayer& layer : verify_golden(folder.path("g"))) {
            BOOST_TEST(layer.difference == "", hardware);
        }
        std::vector<int> counts;
        const GoldenJson manifest = read_golden_manifest(folder.path("g"));
        for (const GoldenJson& layer : manifest.at("layers")) {
            if (layer.at("name") != "pool1") continue;
            for (const GoldenJson& entry : layer.at("average")) counts.push_back(entry.at("count"));
        }
        BOOST_TEST(counts == (std::vector<int>{4, 6, 9}));
    }
}

BOOST_AUTO_TEST_CASE(the_files_have_their_names_shapes_and_types) {
    const std::string& b = sound_bundle();
    for (const char* name :
         {"images.npy", "logits.npy", "manifest.json", "SHA256SUMS", "001_conv1/input.npy",
          "001_conv1/weight.npy", "001_conv1/bias.npy", "001_conv1/multiplier.npy",
          "001_conv1/accumulator.npy", "001_conv1/output.npy", "002_maxpool/output.npy",
          "005_block1.add/input_2.npy", "005_block1.add/ratios.npy"}) {
        BOOST_TEST(fs::exists(b + "/" + name), name);
    }
    BOOST_TEST(load_npy(b + "/001_conv1/weight.npy").shape() == Shape({8, 3, 3, 1}));
    BOOST_TEST(load_npy(b + "/001_conv1/output.npy").shape() == Shape({1, 12, 12, 8}));
    BOOST_TEST((load_npy(b + "/001_conv1/accumulator.npy").dtype() == DType::I32));
    BOOST_TEST(same_bits(load_npy(b + "/images.npy"), small_images(1)));
    BOOST_TEST(!fs::exists(b + "/002_maxpool/accumulator.npy"));
}

// A reader expects all constants of a rule, whatever their values: with 2 bits many shifts are 0.
BOOST_AUTO_TEST_CASE(every_constant_has_its_file_and_a_bias_its_unit) {
    const std::map<std::string, std::set<std::string>> read{
        {"R1", {"multiplier"}},
        {"R1b", {"multiplier"}},
        {"R10", {"multiplier"}},
        {"R1c", {"multiplier", "real_bias"}},
        {"R1f", {"multiplier", "real_bias", "bias_factor"}},
        {"R2", {"integer", "shift"}},
        {"R3", {"integer", "shift"}},
        {"R5", {"shift"}},
        {"R8", {"integer", "offset"}},
        {"R9", {"multiplier", "real_bias"}}};
    std::set<std::string> units;
    for (const Hardware& row : hardware_table()) {
        const TemporaryFolder folder;
        const QuantizedModel model = small_quantized(row.name, Simulate::exact, 2);
        save_golden(folder.path("g"), model, lower(model), small_images(1), {});
        const GoldenJson manifest = read_golden_manifest(folder.path("g"));
        for (const GoldenJson& layer : manifest.at("layers")) {
            if (layer.at("float") || (layer.at("op") != "conv2d" && layer.at("op") != "linear")) {
                continue;
            }
            const std::string what = join(row.name, ' ', layer.at("name").get<std::string>());
            std::set<std::string> names{"weight", "weight_zero_point", "bias"};
            if (layer.at("rule").is_null()) names.insert({"scale", "real_bias"});
            if (!layer.at("rule").is_null())
                names.insert(read.at(layer.at("rule")).begin(), read.at(layer.at("rule")).end());
            if (layer.at("inputs").size() > 1) names.insert("shortcut_ratio");
            std::set<std::string> found;
            for (const auto& constant : layer.at("constants").items()) found.insert(constant.key());
            BOOST_TEST(found == names, what);
            const auto filters = layer.at("constants").at("weight").at("shape").at(0);
            BOOST_TEST(layer.at("constants").at("weight_zero_point").at("shape").at(0) == filters);
            const GoldenJson& unit = layer.at("real_bias_unit");
            BOOST_TEST(unit.is_null() != (names.count("real_bias") > 0), what);
            if (unit.is_null()) continue;
            const std::string rule = layer.at("rule").is_null() ? "" : layer.at("rule");
            units.insert(rule + ": " + unit.get<std::string>());
        }
    }
    BOOST_TEST(units == (std::set<std::string>{": real", "R1c: accumulators", "R1f: accumulators",
                                               "R9: output steps"}),
               boost::test_tools::per_element());
}

// Uses only the files, the manifest and the formula in quant/requantize.h.
BOOST_AUTO_TEST_CASE(others_can_compute_a_layer) {
    const std::string layer = sound_bundle() + "/001_conv1/";
    const GoldenJson json = read_golden_manifest(sound_bundle()).at("layers").at(1);
    const auto x = load_npy(layer + "input.npy").to_vector<uint8_t>();
    const auto w = load_npy(layer + "weight.npy").to_vector<int8_t>();
    const auto bias = load_npy(layer + "bias.npy").to_vector<int32_t>();
    const auto m = load_npy(layer + "multiplier.npy").to_vector<float>();
    const auto acc = load_npy(layer + "accumulator.npy").to_vector<int32_t>();
    const auto y = load_npy(layer + "output.npy").to_vector<uint8_t>();
    BOOST_TEST(json.at("rule") == "R1");
    const auto& a = json.at("attributes");
    BOOST_TEST(a.at("stride") == GoldenJson({1, 1}));
    BOOST_TEST(a.at("pad") == GoldenJson({1, 1, 1, 1}));
    const int zx = a.at("input_zero_point"), zy = a.at("zero_point");
    int wrong = 0;
    for (int h = 0; h < 12; ++h) {
        for (int v = 0; v < 12; ++v) {
            for (int o = 0; o < 8; ++o) {
                int32_t sum = bias[o];
                for (int k = 0; k < 9; ++k) {
                    const int ih = h - 1 + k / 3, iv = v - 1 + k % 3;
                    if (ih < 0 || ih > 11 || iv < 0 || iv > 11) continue;
                    sum += (x[ih * 12 + iv] - zx) * w[o * 9 + k];
                }
                const int e = (h * 12 + v) * 8 + o;
                const double code = std::nearbyint(static_cast<float>(sum) * m[o]) + zy;
                const double clamped =
                    std::min(std::max(code, a.at("lo").get<double>()), a.at("hi").get<double>());
                wrong += sum != acc[e] || clamped != y[e];
            }
        }
    }
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(scales_are_written_as_hexadecimal_floats_too) {
    int seen = 0;
    const GoldenJson manifest = read_golden_manifest(sound_bundle());
    for (const GoldenJson& layer : manifest.at("layers")) {
        for (const GoldenJson* grid : {&layer.at("output").at("grid"), &layer.at("weight")}) {
            if (grid->is_null()) continue;
            const GoldenJson scale = grid->at("scale"), hex = grid->at("scale_hex");
            for (size_t i = 0; i < (scale.is_array() ? scale.size() : 1); ++i) {
                const float value = scale.is_array() ? scale[i] : scale;
                const std::string text = scale.is_array() ? hex[i] : hex;
                BOOST_TEST(std::strtof(text.c_str(), nullptr) == value);
                ++seen;
            }
        }
    }
    BOOST_TEST(seen > 60);
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_in_any_file_is_found) {
    const TemporaryFolder folder;
    const std::string path = copy_of_bundle(folder);
    const auto names = files_in(path);
    BOOST_TEST(names.size() > 60u);
    for (const std::string& name : names) {
        const std::string sound = read_bytes(path + "/" + name);
        for (const size_t at : {size_t{0}, sound.size() / 2, sound.size() - 1}) {
            std::string damaged = sound;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
            write_bytes(path + "/" + name, damaged);
            const std::string file = fs::path(name).filename();
            BOOST_TEST(throws(ErrorKind::data, {path, file}, [&] { verify_golden(path); }),
                       name << " at " << at);
        }
        write_bytes(path + "/" + name, sound);
    }
    BOOST_TEST(verify_golden(path).back().difference == "");
}

BOOST_AUTO_TEST_CASE(a_missing_or_shortened_file_is_named) {
    const TemporaryFolder folder;
    for (const char* name : {"manifest.json", "SHA256SUMS", "images.npy",
                             "003_block1.conv1/bias.npy", "003_block1.conv1/output.npy"}) {
        const std::string path = copy_of_bundle(folder);
        const std::string sound = read_bytes(path + "/" + name);
        write_bytes(path + "/" + name, sound.substr(0, sound.size() - 1));
        BOOST_TEST(throws(ErrorKind::data, {name}, [&] { verify_golden(path); }), name);
        fs::remove(path + "/" + name);
        BOOST_TEST(throws(ErrorKind::data, {name}, [&] { verify_golden(path); }), name);
    }
    BOOST_TEST(
        throws(ErrorKind::data, {"manifest.json"}, [&] { verify_golden(folder.path("nothing")); }));
}

// The hashes are right again: only replaying can detect the change.
BOOST_AUTO_TEST_CASE(what_was_changed_and_signed_again_differs_in_its_element) {
    BOOST_TEST(is_prefix("003_block1.conv1/output.npy[0, 0, 1, 2] is ",
                         after_increment("003_block1.conv1/output.npy", 10)));
    BOOST_TEST(is_prefix("003_block1.conv1/accumulator.npy[0, 0, 1, 2] is ",
                         after_increment("003_block1.conv1/accumulator.npy", 10)));
    BOOST_TEST(is_prefix("003_block1.conv1/accumulator.npy[0, 0, 0, 5] is ",
                         after_increment("003_block1.conv1/bias.npy", 5)));
    BOOST_TEST(is_prefix("003_block1.conv1/accumulator.npy[0, ",
                         after_increment("003_block1.conv1/weight.npy", 300)));
    BOOST_TEST(is_prefix("003_block1.conv1/input.npy[0, 0, 0, 7] is ",
                         after_increment("003_block1.conv1/input.npy", 7)));
    BOOST_TEST(is_prefix("000_input.quantizer/input.npy[0, 0, 3, 0] is ",
                         after_increment("images.npy", 3)));
    BOOST_TEST(is_prefix("003_block1.conv1/ties_output.npy[1, 2] is ",
                         after_increment("003_block1.conv1/ties_output.npy", 10)));
    BOOST_TEST(is_prefix("003_block1.conv1/ties_output.npy[0, 3] is ",
                         after_increment("003_block1.conv1/ties_accumulator.npy", 3)));
    BOOST_TEST(is_prefix("005_block1.add/ties_output.npy[1, 0] is ",
                         after_increment("005_block1.add/ties_output.npy", 16)));
    BOOST_TEST(is_prefix("logits.npy[0, 4] is ", after_increment("logits.npy", 4)));
}

// Changes each number of the manifest, and each text that stands for one, and signs again as a
// careful forger would: an unchecked value could be anything.
static void check_every_number_of_the_manifest(const std::string& hardware) {
    const TemporaryFolder folder;
    const std::string path = folder.path("g");
    save(path, hardware);
    const GoldenJson sound = read_golden_manifest(path);
    const auto found = [&](const GoldenJson& manifest) {
        write_manifest(path, manifest);
        try {
            return verify_golden(path).back().difference != "";
        } catch (const Error& error) {
            return error.kind() == ErrorKind::data;
        }
    };
    BOOST_TEST(!found(sound));
    std::vector<std::string> unnoticed;
    int changed = 0;
    for (const auto& [pointer, value] : leaves_of(sound)) {
        const auto other = changed_value(pointer, value);
        const bool entry = pointer.find("/file/") != std::string::npos ||
                           pointer.find("/constants/") != std::string::npos;
        if (!other || (entry && hardware != "onnxruntime") || of_float(sound, pointer)) continue;
        GoldenJson manifest = sound;
        manifest[GoldenJson::json_pointer(pointer)] = *other;
        ++changed;
        if (!found(manifest)) unnoticed.push_back(pointer + " = " + other->dump());
    }
    BOOST_TEST(changed > 200, changed);
    for (const std::string& text : unnoticed) BOOST_ERROR(text);
}

const RowCases numbers(
    "no_number_of_the_manifest_can_be_changed", __FILE__, __LINE__,
    std::vector<std::string>{"onnxruntime", "tensorrt", "tflite", "hexagon-nn", "academic"},
    [](const std::string& hardware) { return hardware; }, check_every_number_of_the_manifest);

BOOST_AUTO_TEST_CASE(what_does_not_fit_together_is_no_crash) {
    const TemporaryFolder folder;
    const auto refused = [&](const std::string& name, const Tensor& tensor, const char* part) {
        const std::string path = copy_of_bundle(folder);
        save_npy(path + "/" + name, tensor);
        sign_again(path);
        const bool by_manifest = throws(ErrorKind::data, {name, "not what the manifest says"},
                                        [&] { verify_golden(path); });
        rewrite_manifest(path, [&](GoldenJson& entry, const std::string& file) {
            if (file != name) return;
            entry["shape"] = tensor.shape().extents();
            entry["dtype"] = dtype_name(tensor.dtype());
        });
        return by_manifest && throws(ErrorKind::data, {part}, [&] { verify_golden(path); });
    };
    // Values that no number of the manifest may have.
    const auto found = [&](const char* pointer, const GoldenJson& value) {
        const std::string path = copy_of_bundle(folder);
        GoldenJson manifest = read_golden_manifest(path);
        manifest[GoldenJson::json_pointer(pointer)] = value;
        write_manifest(path, manifest);
        try {
            return verify_golden(path).back().difference != "";
        } catch (const Error& error) {
            return error.kind() == ErrorKind::data;
        }
    };
    for (const int bits : {-1, 1, 9, 33, 1 << 30}) {
        BOOST_TEST(found("/layers/3/weight/bits", bits));
        BOOST_TEST(found("/layers/0/output/grid/bits", bits));
    }
    BOOST_TEST(found("/layers/3/attributes/shortcut_zero_point", 0));
    BOOST_TEST(found("/layers/3/weight/scale", GoldenJson::array()));
    BOOST_TEST(found("/layers/3/weight", GoldenJson()));
    BOOST_TEST(found("/layers/5/inputs", GoldenJson::array()));
    GoldenJson nothing = read_golden_manifest(sound_bundle()).at("layers").at(5);
    nothing["op"] = "concat";
    nothing["inputs"] = GoldenJson::array();
    BOOST_TEST(found("/layers/5", nothing));
    BOOST_TEST(found("/layers/3/constants", GoldenJson::object()));
    BOOST_TEST(found("/layers", GoldenJson::array()));
    BOOST_TEST(found("/program/hardware", "toaster"));
    const std::string layer = "003_block1.conv1/";
    BOOST_TEST(refused(layer + "bias.npy", Tensor::zeros({3}, DType::I32), "one number for each"));
    BOOST_TEST(refused(layer + "bias.npy", Tensor::zeros({8}), "asked for"));
    BOOST_TEST(refused(layer + "multiplier.npy", Tensor::zeros({2}), "one number for each"));
    BOOST_TEST(
        refused(layer + "weight.npy", Tensor::zeros({8, 3, 3, 2}, DType::I8), "block1.conv1"));
    BOOST_TEST(refused(layer + "weight.npy", Tensor::zeros({8, 3}, DType::I8), "another rank"));
    BOOST_TEST(refused("005_block1.add/integers.npy", Tensor::zeros({2}, DType::I32), "integers"));
}

BOOST_AUTO_TEST_CASE(what_stops_between_two_layers_leaves_nothing) {
    const TemporaryFolder folder;
    const QuantizedModel& model = model_on("onnxruntime");
    int steps = 0;
    const GoldenStep stop = [&] { check_kind(++steps < 3, ErrorKind::interrupted, "stopped"); };
    BOOST_TEST(throws(ErrorKind::interrupted, {"stopped"}, [&] {
        save_golden(folder.path("g"), model, lower(model), small_images(1), {}, stop);
    }));
    BOOST_TEST(steps == 3);
    BOOST_TEST(folder.names().empty());
    steps = 0;
    BOOST_TEST(
        throws(ErrorKind::interrupted, {"stopped"}, [&] { verify_golden(sound_bundle(), stop); }));
    BOOST_TEST(steps == 3);
}

BOOST_AUTO_TEST_CASE(only_a_bundle_is_replaced) {
    const TemporaryFolder folder;
    const std::string path = folder.path("g");
    fs::create_directory(path);
    save(path, "onnxruntime", 2);  // an empty folder will do
    save(path + "/", "tflite", 1);
    BOOST_TEST(load_npy(path + "/images.npy").shape()[0] == 1);
    BOOST_TEST(verify_golden(path).back().difference == "");
    BOOST_TEST(folder.names() == std::vector<std::string>{"g"}, boost::test_tools::per_element());

    GoldenJson older = read_golden_manifest(path);
    older["format"] = "gradus golden 1";
    write_manifest(path, older);
    BOOST_TEST(throws(ErrorKind::data, {"golden 2", "again"}, [&] { verify_golden(path); }));
    save(path, "tflite", 1);
    BOOST_TEST(verify_golden(path).back().difference == "");

    write_bytes(path + "/notes.txt", "mine");
    BOOST_TEST(throws(ErrorKind::usage, {"notes.txt"}, [&] { save(path, "onnxruntime"); }));
    BOOST_TEST(verify_golden(path).back().difference == "");
    fs::create_directory(folder.path("other"));
    folder.file("other/thesis.tex", "text");
    BOOST_TEST(
        throws(ErrorKind::usage, {"thesis.tex"}, [&] { save(folder.path("other"), "tflite"); }));
    BOOST_TEST(throws(ErrorKind::usage, {"no folder"},
                      [&] { save(folder.file("file", "text"), "tflite"); }));
    BOOST_TEST(read_bytes(folder.path("other/thesis.tex")) == "text");
}

BOOST_AUTO_TEST_SUITE_END()
