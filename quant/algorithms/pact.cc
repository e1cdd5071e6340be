// PACT -- parameterized clipping activation.
//
// Choi et al., "PACT: Parameterized clipping activation for quantized neural networks", 2018
// (arXiv 1805.06085); MQBench 2.3. Weights under --algo pact are DoReFa's.
//
// parameters  alpha; negative_alpha where the zero point is free
// forward     x clipped to [low, alpha], then quantized on the grid of (low, alpha) by MQBench 1.3,
//             which the gradient takes as constant. low = -alpha (symmetric), negative_alpha (free
//             zero point) or 0 (nothing negative comes)
// initial     alpha = 6, negative_alpha = -6
// backward    pact.h; no gradient scale. Signed symmetric: s = alpha / 7.5 at 4 bits, so that alpha
//             itself is a tie that rounds out of the range and mostly gets no gradient from above
//             (MQBench, pitfall P1); the narrow range has no such tie
#include "quant/algorithms/pact.h"

#include <cmath>

#include "quant/algorithms/gradient_sums.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

void pact_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                       const PactClip& clip, const float* scale, const int32_t* zero_point,
                       const CodeRange& range, float* dx, float* dalpha, float* dlow) {
    gradient_sums_cpu(x, dy, layout, PactElement{clip, scale, zero_point, range}, dx, dalpha, dlow);
}

std::string pact_refusal(const Quantizer& q) {
    if (q.role == Role::weight) return "it clips activations; its weights are those of dorefa";
    return refuse_per_channel(q);
}

std::vector<ParameterRow> pact_parameters(const Quantizer& q) {
    std::vector<ParameterRow> rows{{.name = "alpha", .initial = 6.0f, .positive = true}};
    if (q.free_zero_point) rows.push_back({.name = "negative_alpha", .initial = -6.0f});
    return rows;
}

void pact_initialise(Quantizer& q, const Statistics& seen) {
    if (q.calibration == Calibration::own) return;  // the constants of the paper
    const Span range = range_of_scale(first_grids(q, seen, q.calibration).at(0), q.format);
    q.parameter("alpha").value.data<float>()[0] = range.hi;
    if (q.free_zero_point) q.parameter("negative_alpha").value.data<float>()[0] = range.lo;
}

void pact_project(Quantizer& q) {
    make_positive(q.parameter("alpha").value, kScaleFloor);
    if (!q.free_zero_point) return;
    float& low = q.parameter("negative_alpha").value.data<float>()[0];
    low = -std::fabs(low);
}

PactClip pact_clip(const Quantizer& q) {
    const float alpha = q.values_of("alpha")[0];
    if (q.free_zero_point) return {alpha, q.values_of("negative_alpha")[0], false};
    if (q.format.symmetric && q.format.is_signed) return {alpha, -alpha, true};
    return {alpha, -INFINITY, false};
}

Grid pact_grid(const Quantizer& q) {
    const PactClip clip = pact_clip(q);
    const float low = std::isinf(clip.low) ? 0.0f : clip.low;
    Grid grid = grid_of_ranges(q, &low, &clip.alpha, 1);
    const float s = grid.scale.data<float>()[0];
    const int32_t z = grid.zero_point.data<int32_t>()[0];
    const int32_t qmin = q.format.qmin(), qmax = q.format.qmax();
    grid.bounds =
        CodeBounds{std::isinf(clip.low) ? qmin : quantize_value(clip.low, s, z, qmin, qmax),
                   quantize_value(clip.alpha, s, z, qmin, qmax)};
    return grid;
}

QuantizerGrads pact_quantizer_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                                       const Tensor& dy) {
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor dalpha = Tensor::empty({1});
    Tensor dlow = Tensor::empty({1});
    pact_backward(x.device(), x.data<float>(), dy.data<float>(), channel_layout(x.shape(), -1),
                  pact_clip(q), grid.scale.data<float>(), grid.zero_point.data<int32_t>(),
                  {q.format.qmin(), q.format.qmax(), q.format.is_signed}, dx.data<float>(),
                  dalpha.data<float>(), dlow.data<float>());
    const float g = q.gradient_scale.value_or(1.0f);
    multiply(dalpha, g);
    multiply(dlow, g);
    if (q.free_zero_point) return {dx, {dalpha, dlow}};
    return {dx, {dalpha}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const PactClip&,
                      const float*, const int32_t*, const CodeRange&, float*, float*, float*)>
    pact_backward{"pact_backward", pact_backward_cpu};

const Algorithm pact_algorithm{
    .name = "pact",
    .citation = "Choi et al., PACT, 2018 (arXiv 1805.06085), with DoReFa's weights",
    .for_weights = "dorefa",
    .ends_by_range = true,
    .takes_calibration = true,
    .refusal = pact_refusal,
    .parameters = pact_parameters,
    .initialise = pact_initialise,
    .project = pact_project,
    .grid = pact_grid,
    .backward = pact_quantizer_backward};

}  // namespace gradus
