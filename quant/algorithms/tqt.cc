// TQT -- trained quantization thresholds: power-of-two scales, learned in the log domain.
//
// Jain et al., "Trained quantization thresholds for accurate and efficient fixed-point inference of
// deep neural networks", MLSys 2020 (arXiv 1903.08066).
//
// parameters  log2_threshold l
// forward     s = 2^ceil(l) / 2^(b-1), unsigned / 2^b; q = clamp(rne(x/s), qmin, qmax), x_hat = s q
// initial     l = log2 of the largest magnitude seen, or of the calibrated one
// backward    dx = dy [in]; dl = s ln 2 sum dy { rne(x/s) - x/s if in; qmin below; qmax above }
//             (straight through the ceiling); no gradient scale
#include <cmath>
#include <numbers>

#include "quant/algorithms/lsq.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

std::vector<ParameterRow> tqt_parameters(const Quantizer&) {
    return {{.name = "log2_threshold", .initial = 0.0f}};
}

int level_bits(const QuantFormat& format) {
    return format.is_signed ? format.bits - 1 : format.bits;
}

void tqt_initialise(Quantizer& q, const Statistics& seen) {
    const bool own = q.calibration == Calibration::own;
    const auto grids = first_grids(q, seen, Calibration::min_max);
    for (size_t c = 0; c < grids.size(); ++c) {
        const ChannelStatistics& channel = seen.channels()[c];
        const bool measured = own && !is_dead(q, channel.min, channel.max);
        const float threshold = measured ? std::max({-channel.min, channel.max, kScaleFloor})
                                         : std::ldexp(grids[c].scale, level_bits(q.format));
        q.parameter("log2_threshold").value.data<float>()[c] = std::log2(threshold);
    }
}

// Keeps scales normal floats, above the floor of all scales.
void tqt_project(Quantizer& q) {
    Tensor& l = q.parameter("log2_threshold").value;
    const float lowest = static_cast<float>(level_bits(q.format)) - 23.0f;
    for (int64_t c = 0; c < l.numel(); ++c) {
        l.data<float>()[c] = std::clamp(l.data<float>()[c], lowest, 64.0f);
    }
}

Grid tqt_grid(const Quantizer& q) {
    Tensor scale = q.parameter("log2_threshold").value.clone();
    for (int64_t c = 0; c < scale.numel(); ++c) {
        float& s = scale.data<float>()[c];
        s = std::ldexp(power_of_two_above(s), -level_bits(q.format));
    }
    return {scale, fixed_zero_point(q, scale.numel()), {}};
}

QuantizerGrads tqt_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                            const Tensor& dy) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor dl = Tensor::empty({layout.channels});
    lsq_backward(x.device(), x.data<float>(), dy.data<float>(), layout, grid.scale.data<float>(),
                 grid.zero_point.data<int32_t>(),
                 {q.format.qmin(), q.format.qmax(), q.format.is_signed}, dx.data<float>(),
                 dl.data<float>(), nullptr);
    const float g = q.gradient_scale.value_or(1.0f) * std::numbers::ln2_v<float>;
    for (int64_t c = 0; c < layout.channels; ++c) {
        dl.data<float>()[c] *= g * grid.scale.data<float>()[c];
    }
    return {dx, {dl}};
}

}  // namespace

const Algorithm tqt_algorithm{
    .name = "tqt",
    .citation = "Jain et al., Trained quantization thresholds, MLSys 2020 (arXiv 1903.08066)",
    .takes_calibration = true,
    .refusal = refuse_asymmetric,
    .parameters = tqt_parameters,
    .initialise = tqt_initialise,
    .project = tqt_project,
    .grid = tqt_grid,
    .backward = tqt_backward};

}  // namespace gradus
