#include "run/explain/quantizer_probe.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "io/npy.h"
#include "quant/hardware.h"

namespace gradus {

namespace {

const char* const kName = "x";  // of the quantizer in messages

// True if the data decide whether the zero point is free (MQBench 2.3 to 2.5).
bool sign_decides(const Quantizer& q) {
    const std::string name = q.algorithm->name;
    return name == "pact" || name == "dorefa" || name == "dsq";
}

bool has_negative(const Tensor& x) {
    const float* values = x.data<float>();
    return std::any_of(values, values + x.numel(), [](float v) { return v < 0.0f; });
}

int axis_of(const QuantizerQuestion& question, const Shape& shape) {
    const int axis = question.channel_axis, rank = shape.rank();
    if (axis == QuantizerQuestion::per_tensor) return -1;
    check_kind(rank > 0, ErrorKind::usage, "--per-channel ", axis, ": a scalar has no axes");
    check_kind(axis >= -rank && axis < rank, ErrorKind::usage, "--per-channel ", axis,
               ": the input's shape ", shape, " has the axes ", -rank, " to ", rank - 1);
    return axis < 0 ? axis + rank : axis;
}

QuantFormat format_of(const QuantizerQuestion& question, const Shape& shape) {
    check_kind(!question.narrow || !question.is_unsigned, ErrorKind::usage,
               "--narrow leaves out the lowest signed code; drop --unsigned");
    QuantFormat format;
    format.bits = question.bits;
    format.is_signed = !question.is_unsigned;
    format.symmetric = !question.asymmetric;
    format.narrow = question.narrow;
    format.power_of_two = question.power_of_two;
    format.channel_axis = axis_of(question, shape);
    return format;
}

Quantizer quantizer_of(const QuantizerQuestion& question, const Tensor& first_values) {
    Quantizer q;
    q.name = kName;
    q.role = question.role == "weight" ? Role::weight : Role::activation;
    q.format = format_of(question, first_values.shape());
    q.simulate = question.simulate == "exact" ? Simulate::exact : Simulate::qdq;
    q.reading = question.reading == "code" ? Reading::code : Reading::paper;
    const bool ste =
        question.dsq_form == "auto" ? q.reading == Reading::code : question.dsq_form == "ste";
    q.dsq_form = ste ? DsqForm::ste : DsqForm::soft;
    q.calibration = calibration_of(question.calibration);
    if (question.gradient_scale >= 0.0) {
        q.gradient_scale = static_cast<float>(question.gradient_scale);
    }
    q.algorithm = &find_algorithm(question.algo, q.role);
    q.hardware = &find_hardware("academic");
    q.free_zero_point = question.asymmetric && (!sign_decides(q) || has_negative(first_values));
    return q;
}

// ---- flags without effect --------------------------------------------------------------------

// True if docs/algorithms.md lists two readings.
bool readings_differ(const QuantizerQuestion& question, const Quantizer& q) {
    const std::string name = q.algorithm->name;
    const bool activation = q.role == Role::activation;
    return (name == "lsq" && q.free_zero_point) || (name == "dsq" && question.dsq_form == "auto") ||
           (name == "qil" && activation && !q.format.is_signed) || (name == "minmax" && activation);
}

// Options of single algorithms; refused for all others.
void refuse_idle_flags(const QuantizerQuestion& question, const Quantizer& q) {
    const std::string name = q.algorithm->name;
    check_kind(question.dsq_form == "auto" || name == "dsq", ErrorKind::usage, "--dsq-form ",
               question.dsq_form, " chooses dsq's gradient, and ", name,
               " has one only; drop it or name --algo dsq");
    check_kind(
        question.reading == "paper" || readings_differ(question, q), ErrorKind::usage,
        "--reading code differs in the free zero point of lsq, the gradient of dsq, unsigned ",
        "activations of qil and activations of minmax; it changes nothing here, drop it");
}

// `origins`: the source of each parameter's value.
void refuse_idle_calibration(const QuantizerQuestion& question, const QuantizerProbe& probe,
                             const std::string& source) {
    const auto& origins = probe.origins;
    check_kind(question.calibration == "auto" ||
                   std::find(origins.begin(), origins.end(), source) != origins.end(),
               ErrorKind::usage, "--calibration ", question.calibration,
               " finds where parameters start, and none of ", probe.quantizer.algorithm->name,
               " is left to find; drop it or a --set");
}

// ---- settings --------------------------------------------------------------------------------

struct Setting {
    std::string name, value;
};

std::vector<Setting> settings_of(const QuantizerQuestion& question) {
    std::vector<Setting> settings;
    for (const std::string& text : question.set) {
        const size_t equals = text.find('=');
        check_kind(equals != std::string::npos && equals > 0 && equals + 1 < text.size(),
                   ErrorKind::usage, "--set takes NAME=NUMBER or NAME=FILE.npy; got '", text, "'");
        settings.push_back({text.substr(0, equals), text.substr(equals + 1)});
    }
    return settings;
}

Quantizer with_free_zero_point(Quantizer q) {
    q.format.symmetric = false;
    q.free_zero_point = true;
    return q;
}

std::vector<std::string> row_names(const Quantizer& q) {
    std::vector<std::string> names;
    for (const ParameterRow& row : q.algorithm->parameters(q)) names.push_back(row.name);
    return names;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Frees the zero point if the quantizer has the named parameter only then. Refuses any other
// unknown name.
void make_room_for(Quantizer& q, const Setting& setting, std::vector<std::string>& notes) {
    if (holds(row_names(q), setting.name)) return;
    const std::vector<std::string> names = row_names(with_free_zero_point(q));
    if (holds(names, setting.name)) {
        q = with_free_zero_point(q);
        notes.push_back("--set " + setting.name + " implies --asymmetric with a free zero point");
        return;
    }
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    fail(ErrorKind::usage, "--set ", setting.name, ": ", q.algorithm->name,
         " has no such parameter for this role; it has: ", list.empty() ? "none" : list);
}

// One number for all channels, or one for each.
Tensor values_of_setting(const Setting& setting, int64_t channels) {
    const std::string& text = setting.value;
    float value = 0.0f;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (stop == end) {
        check_kind(error == std::errc(), ErrorKind::usage, "--set ", setting.name, "=", text,
                   ": no float32 holds this number; choose one that it does");
        return Tensor::from(std::vector<float>{value}, {1});
    }
    const bool is_file = text.size() > 4 && text.compare(text.size() - 4, 4, ".npy") == 0;
    check_kind(is_file, ErrorKind::usage, "--set ", setting.name,
               " takes a number or a .npy file; got '", text, "'");
    const Tensor values = load_finite(text);
    check_kind(
        values.numel() == 1 || values.numel() == channels, ErrorKind::data, "--set ", setting.name,
        ": ", text, " has the shape ", values.shape(), "; it takes ",
        channels == 1 ? "1 number" : join("1 or ", channels, " numbers, one for each channel"));
    return values;
}

void apply(const Setting& setting, Parameter& parameter) {
    const Tensor values = values_of_setting(setting, parameter.value.numel());
    for (int64_t c = 0; c < parameter.value.numel(); ++c) {
        const float value = values.data<float>()[values.numel() == 1 ? 0 : c];
        check_kind(std::isfinite(value) && (!parameter.positive || value > 0.0f), ErrorKind::usage,
                   "--set ", setting.name, " takes a ", parameter.positive ? "positive" : "finite",
                   " number; got ", value);
        parameter.value.data<float>()[c] = value;
    }
}

// ---- first values ----------------------------------------------------------------------------

// Sets first values; parameters that the algorithm does not initialise keep their default.
void initialise(QuantizerProbe& probe, const Tensor& first_values, const std::string& source) {
    constexpr float unset = std::numeric_limits<float>::quiet_NaN();
    Quantizer& q = probe.quantizer;
    std::vector<Tensor> constants;
    for (const auto& parameter : q.parameters) {
        constants.push_back(parameter->value);
        parameter->value = Tensor::full(parameter->value.shape(), unset);
    }
    observe(q, first_values);
    for (size_t i = 0; i < constants.size(); ++i) {
        const bool constant = std::isnan(q.parameters[i]->value.data<float>()[0]);
        if (constant) q.parameters[i]->value = constants[i];
        probe.origins.push_back(constant ? "the algorithm's constant" : source);
    }
}

// ---- files -----------------------------------------------------------------------------------

std::string index_text(int64_t flat, const Shape& shape) {
    std::vector<int64_t> index(shape.rank());
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        index[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    return join(Shape(index));
}

template <class T>
Tensor finite_floats(const Tensor& from, const std::string& path) {
    Tensor x = Tensor::empty(from.shape());
    for (int64_t i = 0; i < from.numel(); ++i) {
        const T value = from.data<T>()[i];
        x.data<float>()[i] = static_cast<float>(value);
        check_kind(std::isfinite(x.data<float>()[i]), ErrorKind::data, path, ": the value at ",
                   index_text(i, from.shape()), " is ", value, "; values must be finite float32");
    }
    return x;
}

// Checks that a given range has low < high.
void check_order(const Quantizer& q) {
    if (!holds(row_names(q), "low")) return;
    for (int64_t c = 0; c < q.parameter("low").value.numel(); ++c) {
        check_kind(q.values_of("low")[c] < q.values_of("high")[c], ErrorKind::usage,
                   "the range from low = ", q.values_of("low")[c],
                   " to high = ", q.values_of("high")[c],
                   " is empty; give --set low and --set high, low < high");
    }
}

// Projects parameters to legal values, with a note for each given one that changed.
void project(QuantizerProbe& probe) {
    Quantizer& q = probe.quantizer;
    if (!q.algorithm->project) return;
    std::vector<std::vector<float>> before;
    for (const auto& parameter : q.parameters)
        before.push_back(parameter->value.to_vector<float>());
    q.algorithm->project(q);
    for (size_t i = 0; i < q.parameters.size(); ++i) {
        if (q.parameters[i]->value.to_vector<float>() == before[i]) continue;
        if (probe.origins[i] != "set") continue;
        probe.notes.push_back(parameter_name(probe, i) + " as set is outside what " +
                              q.algorithm->name + " allows; the nearest legal value is used");
    }
}

}  // namespace

QuantizerProbe make_probe(const QuantizerQuestion& question, const Tensor& first_values,
                          const std::string& source) {
    QuantizerProbe probe;
    Quantizer& q = probe.quantizer = quantizer_of(question, first_values);
    if (question.algo != q.algorithm->name) {
        probe.notes.push_back(question.algo + " quantizes weights by the rule of " +
                              q.algorithm->name);
    }
    const std::vector<Setting> settings = settings_of(question);
    for (const Setting& setting : settings) make_room_for(q, setting, probe.notes);
    make_parameters(q, channel_count(q.format, first_values.shape()));
    refuse_idle_flags(question, q);
    initialise(probe, first_values, source);
    for (const Setting& setting : settings) {
        for (size_t i = 0; i < q.parameters.size(); ++i) {
            if (parameter_name(probe, i) != setting.name) continue;
            apply(setting, *q.parameters[i]);
            probe.origins[i] = "set";
        }
    }
    refuse_idle_calibration(question, probe, source);
    check_order(q);
    project(probe);
    probe.grid = q.grid();
    return probe;
}

QuantizerAnswer answer(const QuantizerProbe& probe, const Tensor& x, const Tensor& dy) {
    const Quantizer& q = probe.quantizer;
    const Affine affine = codes_of(q, probe.grid, x);
    QuantizerGrads grads = q.algorithm->backward(q, probe.grid, x, dy);
    QuantizerAnswer result{affine.codes, values_of(q, probe.grid, x), grads.dx,
                           std::move(grads.parameters)};
    if (affine.codes.dtype() == DType::I32) return result;
    const CodeReader codes(affine.codes);
    result.codes = Tensor::empty(x.shape(), DType::I32);
    for (int64_t i = 0; i < x.numel(); ++i) result.codes.data<int32_t>()[i] = codes[i];
    return result;
}

std::string parameter_name(const QuantizerProbe& probe, size_t index) {
    return probe.quantizer.parameters.at(index)->name.substr(probe.quantizer.name.size() + 1);
}

Tensor zero_point_in_use(const QuantizerProbe& probe) {
    const Quantizer& q = probe.quantizer;
    const Grid& grid = probe.grid;
    const bool real = q.simulate == Simulate::qdq && holds(row_names(q), "beta");
    Tensor zero_point = Tensor::empty(grid.zero_point.shape());
    for (int64_t c = 0; c < zero_point.numel(); ++c) {
        zero_point.data<float>()[c] = real ? -q.values_of("beta")[c] / grid.scale.data<float>()[c]
                                           : static_cast<float>(grid.zero_point.data<int32_t>()[c]);
    }
    return zero_point;
}

Tensor load_finite(const std::string& path) {
    const Tensor values = load_npy(path);
    check_kind(values.numel() > 0, ErrorKind::data, path, ": an array of shape ", values.shape(),
               " holds no value; save one of at least one");
    if (values.dtype() == DType::F32) return finite_floats<float>(values, path);
    check_kind(values.dtype() == DType::F64, ErrorKind::data, path, ": holds ", values.dtype(),
               "; save it as float32 or float64");
    return finite_floats<double>(values, path);
}

}  // namespace gradus
