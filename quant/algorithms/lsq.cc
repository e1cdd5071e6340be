// LSQ -- learned step size quantization.
//
// Esser et al., "Learned step size quantization", ICLR 2020 (arXiv 1902.08153); MQBench, App. B.
//
// parameters  scale s; zero_point z, real, where it is free
// forward     q = clamp(rne(x/s) + rne(z), qmin, qmax), x_hat = s (q - rne(z))
// initial     s = 2 mean|x| / sqrt(qmax), per channel: the channel's mean. A free zero point
//             starts, with its scale, from the range of x (docs/decisions/004); --reading code:
//             z = 0
// backward    lsq.h, times g = 1 / sqrt(numel / channels * qmax), numel with the batch
#include "quant/algorithms/lsq.h"

#include <algorithm>

#include "quant/algorithms/gradient_sums.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

void lsq_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                      const float* scale, const int32_t* zero_point, const CodeRange& range,
                      float* dx, float* ds, float* dz) {
    gradient_sums_cpu(x, dy, layout, LsqElement{scale, zero_point, range}, dx, ds, dz);
}

std::vector<ParameterRow> lsq_parameters(const Quantizer& q) {
    std::vector<ParameterRow> rows{{.name = "scale", .initial = 1.0f, .positive = true}};
    if (q.free_zero_point) rows.push_back({.name = "zero_point", .initial = 0.0f});
    return rows;
}

void lsq_initialise(Quantizer& q, const Statistics& seen) {
    const bool from_range = q.free_zero_point && q.reading == Reading::paper;
    const auto grids = first_grids(q, seen, from_range ? Calibration::min_max : Calibration::norm);
    for (size_t c = 0; c < grids.size(); ++c) {
        q.parameter("scale").value.data<float>()[c] = grids[c].scale;
        if (!q.free_zero_point) continue;
        // MQBench's released code leaves z at 0 if there are negative values.
        const bool at_zero = !from_range && q.calibration == Calibration::own && seen.min() < 0.0f;
        const int32_t z =
            at_zero ? std::clamp(0, q.format.qmin(), q.format.qmax()) : grids[c].zero_point;
        q.parameter("zero_point").value.data<float>()[c] = static_cast<float>(z);
    }
}

void lsq_project(Quantizer& q) {
    make_positive(q.parameter("scale").value, kScaleFloor);
    if (!q.free_zero_point) return;
    Tensor& z = q.parameter("zero_point").value;
    for (int64_t c = 0; c < z.numel(); ++c) {
        float& value = z.data<float>()[c];
        value = std::clamp(value, float(q.format.qmin()), float(q.format.qmax()));
    }
}

Grid lsq_grid(const Quantizer& q) {
    const Tensor scale = used_scale(q, q.parameter("scale").value);
    Tensor zero_point = fixed_zero_point(q, scale.numel());
    if (q.free_zero_point) {
        const float* z = q.values_of("zero_point");
        for (int64_t c = 0; c < zero_point.numel(); ++c) {
            zero_point.data<int32_t>()[c] =
                round_zero_point(z[c], q.format.qmin(), q.format.qmax());
        }
    }
    return {scale, zero_point, {}};
}

QuantizerGrads lsq_quantizer_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                                      const Tensor& dy) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor ds = Tensor::empty({layout.channels});
    Tensor dz = Tensor::empty({layout.channels});
    lsq_backward(x.device(), x.data<float>(), dy.data<float>(), layout, grid.scale.data<float>(),
                 grid.zero_point.data<int32_t>(),
                 {q.format.qmin(), q.format.qmax(), q.format.is_signed}, dx.data<float>(),
                 ds.data<float>(), dz.data<float>());
    const float g = lsq_gradient_scale(q, x.shape());
    chain_scale_gradient(q, g, ds);
    if (!q.free_zero_point) return {dx, {ds}};
    multiply(dz, g);
    return {dx, {ds, dz}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*,
                      const int32_t*, const CodeRange&, float*, float*, float*)>
    lsq_backward{"lsq_backward", lsq_backward_cpu};

const Algorithm lsq_algorithm{
    .name = "lsq",
    .citation = "Esser et al., Learned step size quantization, ICLR 2020 (arXiv 1902.08153)",
    .takes_calibration = true,
    .parameters = lsq_parameters,
    .initialise = lsq_initialise,
    .project = lsq_project,
    .grid = lsq_grid,
    .backward = lsq_quantizer_backward};

}  // namespace gradus
