#include "quant/quantizer.h"

#include <algorithm>
#include <cmath>

#include "quant/algorithms/rows.h"
#include "quant/fake_quantize.h"
#include "quant/numerics.h"
#include "quant/quantize_codes.h"
#include "tensor/channel_layout.h"
#include "tensor/find_row.h"

namespace gradus {

const std::vector<Algorithm>& algorithms() {
    static const std::vector<Algorithm> rows{lsq_algorithm,    lsq_plus_algorithm, pact_algorithm,
                                             dorefa_algorithm, dsq_algorithm,      qil_algorithm,
                                             apot_algorithm,   minmax_algorithm,   tqt_algorithm};
    return rows;
}

const Algorithm& find_algorithm(const std::string& name) {
    return find_row(algorithms(), "algorithm", name);
}

const Algorithm& find_algorithm(const std::string& name, Role role) {
    const Algorithm& row = find_algorithm(name);
    return role == Role::weight && row.for_weights ? find_algorithm(row.for_weights) : row;
}

Grid Quantizer::grid() const {
    Grid grid = algorithm->grid(*this);
    if (!least_scale.defined()) return grid;
    float* s = grid.scale.data<float>();
    for (int64_t c = 0; c < grid.scale.numel(); ++c) {
        s[c] = std::max(s[c], least_scale.data<float>()[c]);
    }
    return grid;
}

bool raises_scale(const Quantizer& q) {
    const auto own = q.algorithm->grid(q).scale.to_vector<float>();
    return q.grid().scale.to_vector<float>() != own;
}

Parameter& Quantizer::parameter(const std::string& suffix) const {
    for (const auto& candidate : parameters) {
        if (candidate->name == name + "." + suffix) return *candidate;
    }
    fail(ErrorKind::runtime, name, ": no parameter is called ", suffix);
}

const float* Quantizer::values_of(const std::string& suffix) const {
    return std::as_const(parameter(suffix).value).data<float>();
}

std::string Quantizer::describe() const {
    return join(algorithm->name, ' ', gradus::describe(format),
                free_zero_point ? " free zero point" : "", follows_range ? " following" : "");
}

namespace {

void refuse_impossible(const Quantizer& q) {
    q.format.validate(q.name);
    const Algorithm& row = *q.algorithm;
    check_kind(!row.not_deployable || q.simulate == Simulate::qdq, ErrorKind::usage, row.name,
               " is not deployable: ", row.not_deployable ? row.not_deployable : "",
               "; add --hardware academic --simulate qdq to train it as a float simulation");
    const std::string reason = row.refusal ? row.refusal(q) : "";
    check_kind(reason.empty(), ErrorKind::usage, row.name, " cannot quantize ", q.name, " (",
               describe(q.format), "): ", reason,
               "; choose another algorithm or another format (--hardware academic: symmetric, one "
               "scale per tensor)");
    const bool weight = q.role == Role::weight;
    check_kind(q.calibration == Calibration::own || row.takes_calibration || q.follows_range,
               ErrorKind::usage, weight ? "weights" : "activations", " by ", row.name,
               " cannot start from --calibration ", name_of(q.calibration),
               ": their first values are part of the algorithm; drop it, or give --",
               weight ? "activation" : "weight", "-calibration for the others alone");
    const bool by_batch =
        q.follows_range && q.role == Role::activation && q.reading == Reading::code;
    check_kind(!by_batch || q.simulate == Simulate::qdq, ErrorKind::usage, q.name,
               ": --reading code takes each batch's own range also in evaluation, which no program "
               "of integers can do; add --simulate qdq");
}

}  // namespace

void make_parameters(Quantizer& q, int64_t channels) {
    refuse_impossible(q);
    q.parameters.clear();
    for (const ParameterRow& row : q.algorithm->parameters(q)) {
        auto parameter = std::make_shared<Parameter>();
        parameter->name = q.name + "." + row.name;
        parameter->value = Tensor::full({channels}, row.initial);
        parameter->trainable = row.learned;
        parameter->positive = row.positive;
        q.parameters.push_back(parameter);
    }
}

void observe(Quantizer& q, const Tensor& x) {
    if (!q.seen) {
        q.seen =
            std::make_shared<Statistics>(q.format.channel_axis, needs_histogram(q.calibration));
    } else if (q.role == Role::weight) {
        return;  // calibration does not change weights
    }
    q.seen->add(x);
    // The first values decide an adaptive sign for good (MQBench 1.2).
    if (q.adaptive_sign) q.format.is_signed = q.seen->min() < 0.0f;
    q.saw_nothing = is_dead(q, q.seen->min(), q.seen->max());
    q.algorithm->initialise(q, *q.seen);
}

Affine codes_of(const Quantizer& q, const Grid& grid, const Tensor& x) {
    return q.algorithm->codes ? q.algorithm->codes(q, grid, x)
                              : quantize_to_grid(x, grid, q.format);
}

Tensor values_of(const Quantizer& q, const Grid& grid, const Tensor& x) {
    if (q.algorithm->values) return q.algorithm->values(q, grid, x);
    if (q.algorithm->codes) return dequantize(q.algorithm->codes(q, grid, x));
    return fake_quantize_to_grid(x, grid, q.format);
}

int64_t channel_count(const QuantFormat& format, const Shape& shape) {
    return format.per_channel() ? shape[format.channel_axis] : 1;
}

float lsq_gradient_scale(const Quantizer& q, const Shape& shape) {
    if (q.gradient_scale) return *q.gradient_scale;
    const double elements = static_cast<double>(shape.numel() / channel_count(q.format, shape));
    return static_cast<float>(1.0 / std::sqrt(elements * q.format.qmax()));
}

CodeBounds bounds_of(const Grid& grid, const QuantFormat& format) {
    return grid.bounds.value_or(CodeBounds{format.qmin(), format.qmax()});
}

bool is_dead(const Quantizer& q, float lo, float hi) {
    return q.role == Role::activation && lo == 0.0f && hi == 0.0f;
}

Grid grid_of_ranges(const Quantizer& q, const float* lo, const float* hi, int64_t channels) {
    Grid grid{Tensor::empty({channels}), Tensor::empty({channels}, DType::I32), {}};
    const bool from_zero = !q.format.symmetric && !q.free_zero_point;
    for (int64_t c = 0; c < channels; ++c) {
        const ScaleAndZero found = scale_from_range(from_zero ? 0.0f : lo[c], hi[c], q.format);
        grid.scale.data<float>()[c] = is_dead(q, lo[c], hi[c]) ? 1.0f : found.scale;
        grid.zero_point.data<int32_t>()[c] = found.zero_point;
    }
    return grid;
}

namespace {

// Checks the shapes before a kernel reads x.
ChannelLayout layout_of(const Tensor& x, const Grid& grid, const QuantFormat& format) {
    const ChannelLayout layout = channel_layout(x.shape(), format.channel_axis);
    check(grid.scale.numel() == layout.channels && grid.zero_point.numel() == layout.channels,
          "quantize: ", grid.scale.numel(), " scales and ", grid.zero_point.numel(),
          " zero points do not fit ", x.shape());
    return layout;
}

CodeRange range_of(const Grid& grid, const QuantFormat& format) {
    const CodeBounds bounds = bounds_of(grid, format);
    return {bounds.lo, bounds.hi, format.is_signed};
}

}  // namespace

Affine quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format) {
    Affine result{Tensor::empty(x.shape(), format.code_dtype(), x.device()), grid.scale,
                  grid.zero_point, format.channel_axis};
    quantize_codes(x.device(), x.data<float>(), layout_of(x, grid, format),
                   grid.scale.data<float>(), grid.zero_point.data<int32_t>(),
                   range_of(grid, format), result.codes.raw());
    return result;
}

Tensor fake_quantize_to_grid(const Tensor& x, const Grid& grid, const QuantFormat& format) {
    Tensor x_hat = Tensor::empty(x.shape(), DType::F32, x.device());
    fake_quantize(x.device(), x.data<float>(), layout_of(x, grid, format), grid.scale.data<float>(),
                  grid.zero_point.data<int32_t>(), range_of(grid, format), x_hat.data<float>());
    return x_hat;
}

}  // namespace gradus
