#include "io/golden_numbers.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <set>

#include "integer/accumulators.h"
#include "integer/compare.h"
#include "integer/rule_constants.h"
#include "nn/node_attributes.h"
#include "quant/requantize_exact.h"
#include "tensor/kernels/average_pool.h"

namespace gradus {

namespace {

using Json = GoldenJson;

std::string hex_text(float value) {
    char text[40];
    std::snprintf(text, sizeof text, "%a", static_cast<double>(value));
    return text;
}

Json average_json(const Instruction& i, int32_t count) {
    const float scale = i.constants.at("scale").data<float>()[0];
    const AverageConstants k = average_constants(rule_of<PoolRule>(i), scale, count);
    return {{"count", count},
            {"multiplier", k.multiplier},
            {"multiplier_hex", hex_text(k.multiplier)},
            {"q31", k.q31.value},
            {"exponent", k.q31.exponent},
            {"integer", k.integer},
            {"shift", k.shift}};
}

// ---- reading ---------------------------------------------------------------------------------

// Thrown with the text of a difference; difference_of catches it.
struct Difference {
    std::string text;
};

template <class... Parts>
void require(bool ok, const Parts&... parts) {
    if (!ok) throw Difference{join(parts...)};
}

// Compares part by part, to name the part that differs. Objects have no order: a reformatted
// manifest may have sorted keys.
void require_same(const std::string& what, const Json& stored, const Json& made) {
    if (stored.is_object() && made.is_object()) {
        for (const auto& [key, value] : made.items()) {
            require(stored.contains(key), what, " has no ", key);
            require_same(what + ": " + key, stored.at(key), value);
        }
    } else if (stored.is_array() && made.is_array() && stored.size() == made.size()) {
        for (size_t i = 0; i < made.size(); ++i) {
            require_same(join(what, "[", i, "]"), stored[i], made[i]);
        }
        return;
    }
    const bool same =
        stored.is_object() && made.is_object() ? stored.size() == made.size() : stored == made;
    require(same, what, " is ", stored.dump(), " in the manifest, which makes it ", made.dump(),
            " elsewhere");
}

std::optional<RegisterGrid> grid_of(const Json& json) {
    if (json.is_null()) return std::nullopt;
    RegisterGrid grid;
    grid.scale = json.at("scale").get<float>();
    grid.zero_point = json.at("zero_point");
    grid.bounds = {json.at("low"), json.at("high")};
    grid.format.bits = json.at("bits");
    grid.format.is_signed = json.at("signed");
    return grid;
}

// Codes of this dtype have the format's sign and 2 to 8 bits.
void require_format(const std::string& what, const QuantFormat& format, DType dtype) {
    require(format.bits >= 2 && format.bits <= 8 && format.code_dtype() == dtype, what, " has ",
            format.bits, format.is_signed ? " signed" : " unsigned", " bits, its codes are ",
            dtype);
}

// A consistent grid, of codes of this type.
RegisterGrid sound_grid(const std::string& what, const Json& json, const Tensor& codes) {
    const bool floats = codes.dtype() == DType::F32;
    require(json.is_null() == floats, what,
            floats ? " is of floats and has a grid" : " has no grid");
    if (floats) return {};
    const RegisterGrid grid = *grid_of(json);
    require_same(what, json, golden_grid(grid));
    const QuantFormat& format = grid.format;
    require_format(what, format, codes.dtype());
    require(grid.bounds.lo >= format.qmin() && grid.bounds.hi <= format.qmax(), what, " goes from ",
            grid.bounds.lo, " to ", grid.bounds.hi, ", ", format.bits, " bits from ", format.qmin(),
            " to ", format.qmax());
    return grid;
}

// The numbers of one layer.
class LayerNumbers {
  public:
    LayerNumbers(const Json& layer, const Instruction& i, const std::vector<Tensor>& inputs,
                 const Tensor& output, const Hardware& row, const GoldenGrids& grids)
        : layer_(layer), i_(i), row_(row), name_(layer.at("folder").get<std::string>() + ": ") {
        for (size_t k = 0; k < inputs.size(); ++k) {
            const Json& json = layer.at("inputs").at(k).at("grid");
            const std::string what = join(name_, "the grid of input ", k + 1);
            x_.push_back(sound_grid(what, json, inputs[k]));
            const auto given = grids.find(i.inputs[k]);
            if (given != grids.end()) require_same(what, json, given->second);
        }
        y_ = sound_grid(name_ + "the grid of the output", layer.at("output").at("grid"), output);
        is_code_ = output.dtype() != DType::F32;
        reads_codes_ = !inputs.empty() && inputs[0].dtype() != DType::F32;
    }

    void check() {
        require(i_.is_float == (!reads_codes_ && i_.op != "quantize"), name_,
                i_.is_float ? "computes in float and reads codes" : "reads floats");
        require_same(name_ + "elements", entry("elements"),
                     i_.op == "add" && !i_.is_float ? golden_add_elements() : Json());
        require_same(name_ + "real_bias_unit", entry("real_bias_unit"), golden_bias_unit(i_));
        require(layer_.contains("average") == averages(i_), name_, "averages on one side only");
        check_weight();
        if (i_.is_float) return require(!is_code_, name_, "computes in float and gives codes");
        if (i_.attributes.has("qmin")) check_output_grid();
        if (is_code_ && (averages(i_) || !i_.attributes.has("qmin"))) check_passed_grid();
        check_switches();
        check_zero_point("input_zero_point", 0);
        check_zero_point("shortcut_zero_point", 1);
        check_constants();
    }

  private:
    Json entry(const char* key) const { return layer_.contains(key) ? layer_.at(key) : Json(); }

    void attribute(const char* name, int64_t expected) const {
        require_same(name_ + name, Json(i_.attributes.integer(name)), Json(expected));
    }

    void check_output_grid() const {
        attribute("qmin", y_.format.qmin());
        attribute("qmax", y_.format.qmax());
        attribute("lo", y_.bounds.lo);
        attribute("hi", y_.bounds.hi);
        attribute("signed", y_.format.is_signed);
        attribute("zero_point", y_.zero_point);
    }

    // Pooling, flattening and joining keep their input's grid; all except averages keep its bounds.
    void check_passed_grid() const {
        RegisterGrid grid = y_;
        CodeBounds bounds = x_.at(0).bounds;
        for (const RegisterGrid& x : x_) {
            grid.bounds = x.bounds;
            require_same(name_ + "the grid of an input", golden_grid(x), golden_grid(grid));
            bounds = {std::min(bounds.lo, x.bounds.lo), std::max(bounds.hi, x.bounds.hi)};
        }
        grid.bounds = averages(i_) ? y_.bounds : bounds;
        require_same(name_ + "the grid of the output", golden_grid(y_), golden_grid(grid));
    }

    // Checks entries that only mark their presence.
    void check_switches() const {
        if (i_.op == "max_pool2d") attribute("count_include_pad", PoolAttrs{}.count_include_pad);
    }

    void check_zero_point(const char* name, size_t input) const {
        if (i_.attributes.has(name)) attribute(name, x_.at(input).zero_point);
    }

    void check_weight() {
        const Json& json = layer_.at("weight");
        const auto found = i_.constants.find("weight");
        const bool quantized = !i_.is_float && found != i_.constants.end();
        require(json.is_null() != quantized, name_, "the grid of the weights is there on one side ",
                "only");
        if (!quantized) return;
        const Tensor& w = found->second;
        const auto scales = json.at("scale").get<std::vector<float>>();
        QuantFormat format = row_.weight;
        format.bits = json.at("bits");
        require_format(name_ + "weight", format, w.dtype());
        require_same(name_ + "weight", json, golden_weight(format, scales));
        const auto filters = static_cast<size_t>(w.shape()[0]);
        require(scales.size() == 1 || scales.size() == filters, name_, "weight has ", scales.size(),
                " scales for ", filters, " filters");
        const CodeReader q(w);
        for (int64_t e = 0; e < w.numel(); ++e) {
            require(q[e] >= format.qmin() && q[e] <= format.qmax(), name_, "weight has ",
                    format.bits, " bits, and a code is ", q[e]);
        }
        weight_scale_ = Tensor::from(scales, {static_cast<int64_t>(scales.size())});
    }

    float stored(const char* name, int64_t c = 0) const {
        return i_.constants.at(name).data<float>()[c];
    }

    void require_float(const char* name, int64_t c, float stored, float made) const {
        require(stored == made, name_, name, "[", c, "] is ", hex_text(stored),
                ", the scales of the manifest make it ", hex_text(made));
    }
    void require_integer(const char* name, int64_t c, int64_t stored, int64_t made) const {
        require(stored == made, name_, name, "[", c, "] is ", stored,
                ", the scales of the manifest make it ", made);
    }

    OutputGrid output_grid() const {
        return {y_.scale, y_.zero_point, y_.format.qmin(), y_.format.qmax()};
    }

    void check_constants() const {
        if (i_.op == "quantize") return require_float("scale", 0, stored("scale"), y_.scale);
        if (i_.op == "add") return check_sum();
        if (averages(i_)) return require_float("scale", 0, stored("scale"), x_.at(0).scale);
        if (i_.op == "requantize") return check_rule(Tensor::full({1}, 1.0f), 1);
        if (!weight_scale_.defined()) return;
        const int64_t filters = i_.constants.at("weight").shape()[0];
        if (i_.attributes.has("rule")) {
            check_rule(weight_scale_, filters);
        } else {
            check_real_scales(filters);
        }
        if (x_.size() > 1) {
            require_float("shortcut_ratio", 0, stored("shortcut_ratio"), x_[1].scale / y_.scale);
        }
    }

    // Biases of these rules are floats in the bundle, and are replayed.
    void check_rule(const Tensor& weight_scale, int64_t channels) const {
        const auto made =
            channel_constants(rule_of<RequantizeRule>(i_), Tensor::full({1}, x_.at(0).scale),
                              weight_scale, Tensor(), output_grid(), channels);
        const auto found = load_constants(i_, channels);
        for (int64_t c = 0; c < channels; ++c) {
            require_float("multiplier", c, found[c].multiplier, made[c].multiplier);
            require_integer("integer", c, found[c].integer, made[c].integer);
            require_integer("shift", c, found[c].shift, made[c].shift);
            require_integer("offset", c, found[c].offset, made[c].offset);
        }
    }

    void check_real_scales(int64_t filters) const {
        for (int64_t c = 0; c < filters; ++c) {
            const float w = weight_scale_.data<float>()[weight_scale_.numel() == 1 ? 0 : c];
            require_float("scale", c, stored("scale", c), x_.at(0).scale * w);
        }
    }

    void check_sum() const {
        const auto code_grid = [](const RegisterGrid& g) {
            return CodeGrid{g.scale, g.zero_point};
        };
        Instruction made;
        store_constants(made, add_constants(rule_of<AddRule>(i_), code_grid(x_.at(0)),
                                            code_grid(x_.at(1)), code_grid(y_)));
        for (const auto& [name, expected] : made.constants) {
            const Tensor& found = i_.constants.at(name);
            const int64_t e = first_difference(found, expected);
            if (e < 0) continue;
            require(false, name_, name, "[", e, "] is ", element_text(found, e),
                    ", the grids of the manifest make it ", element_text(expected, e));
        }
    }

    const Json& layer_;
    const Instruction& i_;
    const Hardware& row_;
    const std::string name_;
    std::vector<RegisterGrid> x_;
    RegisterGrid y_;
    bool is_code_ = false, reads_codes_ = false;
    Tensor weight_scale_;
};

void check_program(const Json& manifest) {
    const Json& program = manifest.at("program");
    require_same("program: images", program.at("images"), manifest.at("images").at("shape").at(0));
    int registers = 1;
    AccumulatorPolicy policy = AccumulatorPolicy::exact;
    const Hardware& row = find_hardware(program.at("hardware"));
    size_t index = 0;
    for (const Json& layer : manifest.at("layers")) {
        require_same("folder", layer.at("folder"), golden_folder(index++, layer.at("name")));
        registers = std::max(registers, layer.at("output").at("register").get<int>() + 1);
        const Json& attributes = layer.at("attributes");
        if (attributes.contains("accumulator_policy")) {
            policy = find_accumulator(attributes.at("accumulator_policy"));
        }
        if (layer.at("rule").is_null()) continue;
        const std::string op = layer.at("op");
        const PoolRule average = average_rule(row, op);
        require_same(layer.at("folder").get<std::string>() + ": rule", layer.at("rule"),
                     op == "add"                 ? rule_name(row.add)
                     : average != PoolRule::none ? rule_name(average)
                                                 : rule_name(row.requantize));
    }
    require_same("program: registers", program.at("registers"), Json(registers));
    require_same("program: rules", program.at("rules"), Json(rules_text(row, policy)));
    require_same("program: standing", program.at("standing"), row.exact ? "exact" : "nominal");
}

template <class Check>
std::string difference_of(const Check& check) {
    try {
        check();
    } catch (const Difference& difference) {
        return difference.text;
    }
    return "";
}

}  // namespace

// Node names are letters, digits, dots and dashes; other characters are replaced for stable file
// names.
std::string golden_folder(size_t index, const std::string& layer) {
    char number[16];
    std::snprintf(number, sizeof number, "%03zu_", index);
    std::string folder = number + layer;
    for (char& c : folder) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
        if (!plain) c = '_';
    }
    return folder;
}

GoldenJson golden_grid(const std::optional<RegisterGrid>& grid) {
    if (!grid) return {};
    return {{"scale", grid->scale},
            {"scale_hex", hex_text(grid->scale)},
            {"zero_point", grid->zero_point},
            {"bits", grid->format.bits},
            {"signed", grid->format.is_signed},
            {"low", grid->bounds.lo},
            {"high", grid->bounds.hi}};
}

GoldenJson golden_weight(const QuantFormat& format, const std::vector<float>& scales) {
    Json hex = Json::array();
    for (const float scale : scales) hex.push_back(hex_text(scale));
    return {{"bits", format.bits},  {"signed", format.is_signed},
            {"low", format.qmin()}, {"high", format.qmax()},
            {"scale", scales},      {"scale_hex", hex}};
}

GoldenJson golden_add_elements() {
    return {{"ratios", {"a_ratio", "b_ratio", "y_ratio", "a_offset", "b_offset"}},
            {"integers",
             {"a_zero_point", "b_zero_point", "y_zero_point", "a_q31", "a_exponent", "b_q31",
              "b_exponent", "y_q31", "y_exponent", "a_integer", "b_integer", "shift", "offset"}}};
}

// R1f with one weight scale for the tensor converts its bias to accumulators within the sum.
GoldenJson golden_bias_unit(const Instruction& i) {
    if (i.is_float || !i.constants.count("real_bias")) return {};
    if (!i.attributes.has("rule")) return "real";
    if (rule_of<RequantizeRule>(i) == RequantizeRule::r9) return "output steps";
    const auto factor = i.constants.find("bias_factor");
    if (factor == i.constants.end()) return "accumulators";
    const std::vector<float> factors = factor->second.to_vector<float>();
    const bool ones =
        std::all_of(factors.begin(), factors.end(), [](float f) { return f == 1.0f; });
    return ones ? "accumulators" : "real";
}

bool averages(const Instruction& i) {
    return !i.is_float && (i.op == "global_average_pool" || i.op == "average_pool2d");
}

GoldenJson golden_average(const Instruction& i, const Shape& x) {
    if (i.op == "global_average_pool") return average_json(i, static_cast<int32_t>(x[1] * x[2]));
    const PoolShape shape = pool_shape(i.name.c_str(), x, pool_attrs(i.attributes));
    Json list = Json::array();
    const auto counts = average_pool_counts(shape);
    for (const int32_t count : std::set<int32_t>(counts.begin(), counts.end())) {
        list.push_back(average_json(i, count));
    }
    return list;
}

std::string golden_difference(const GoldenJson& layer, const Instruction& i,
                              const std::vector<Tensor>& inputs, const Tensor& output,
                              const Hardware& row, GoldenGrids& grids) {
    const std::string found = difference_of([&] {
        LayerNumbers(layer, i, inputs, output, row, grids).check();
        if (!averages(i)) return;
        require_same(layer.at("folder").get<std::string>() + ": average", layer.at("average"),
                     golden_average(i, inputs.at(0).shape()));
    });
    grids[i.output] = layer.at("output").at("grid");
    return found;
}

std::string golden_difference(const GoldenJson& manifest) {
    return difference_of([&] { check_program(manifest); });
}

}  // namespace gradus
