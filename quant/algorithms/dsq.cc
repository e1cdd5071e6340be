// DSQ -- differentiable soft quantization.
//
// Gong et al., "Differentiable soft quantization: Bridging full-precision and low-bit neural
// networks", ICCV 2019 (arXiv 1908.05033); MQBench's form with alpha = 0.4, nothing learned.
//
// parameters  low, high (kept, not learned)
// forward     s and z of (low, high) by MQBench 1.3. With v = clip(x/s + z, qmin, qmax) and
//             f = floor(v), the soft staircase is phi = f + 1/2 + sigma/2 tanh(K (v - f - 1/2)),
//             sigma = 1/(1-alpha), K = ln(2/alpha - 1). phi - f and v - f lie on the same side of
//             1/2, so that rne(phi) is the code of the plain quantizer, and x_hat = s (q - z)
// ranges      weights mean -+ 2.6 sigma at each forward (ClipStd); activations the mean over
//             samples of minimum and maximum, 0.9 old + 0.1 new in training (BatchMeanMax)
// backward    --dsq-form soft: dx = dy [qmin <= x/s + z <= qmax] sigma K / 2 (1 - tanh^2(...)), the
//             mask not rounded. --dsq-form ste: plain straight-through, as MQBench's released code
#include "quant/algorithms/dsq.h"

#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr double kDeviations = 2.6;

void dsq_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                      const float* scale, const int32_t* zero_point, const CodeRange& range,
                      float* dx) {
    for_each_cpu(layout.numel(), DsqBackward{x, dy, layout, scale, zero_point, range, dx});
}

std::vector<ParameterRow> dsq_parameters(const Quantizer&) {
    return {{.name = "low", .initial = 0.0f, .learned = false},
            {.name = "high", .initial = 1.0f, .learned = false}};
}

// The range begins at zero if activations are non-negative.
float lowest(const Quantizer& q, float low) {
    const bool no_negative = q.format.symmetric ? !q.format.is_signed : !q.free_zero_point;
    return no_negative ? std::max(low, 0.0f) : low;
}

void keep_channel(Quantizer& q, int64_t c, const ChannelStatistics& seen) {
    if (q.role == Role::activation) {
        keep_range(q, c, lowest(q, seen.sample_min), seen.sample_max);
        return;
    }
    const double mean = seen.mean(), reach = kDeviations * seen.deviation();
    keep_range(q, c, static_cast<float>(mean - reach), static_cast<float>(mean + reach));
}

void dsq_initialise(Quantizer& q, const Statistics& seen) {
    for (size_t c = 0; c < seen.channels().size(); ++c) keep_channel(q, c, seen.channels()[c]);
}

void dsq_follow(Quantizer& q, const Tensor& x, bool training) {
    if (q.role == Role::activation && !training) return;
    Statistics now(q.format.channel_axis, false);
    now.add(x);
    for (size_t c = 0; c < now.channels().size(); ++c) {
        const float low = q.values_of("low")[c], high = q.values_of("high")[c];
        keep_channel(q, c, now.channels()[c]);
        if (q.role == Role::weight) continue;
        keep_range(q, c, moved(low, q.values_of("low")[c]), moved(high, q.values_of("high")[c]));
    }
}

Grid dsq_grid(const Quantizer& q) {
    return grid_of_ranges(q, q.values_of("low"), q.values_of("high"),
                          q.parameter("low").value.numel());
}

QuantizerGrads dsq_quantizer_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                                      const Tensor& dy) {
    if (q.dsq_form == DsqForm::ste) return straight_through(q, grid, x, dy);
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    dsq_backward(x.device(), x.data<float>(), dy.data<float>(),
                 channel_layout(x.shape(), q.format.channel_axis), grid.scale.data<float>(),
                 grid.zero_point.data<int32_t>(),
                 {q.format.qmin(), q.format.qmax(), q.format.is_signed}, dx.data<float>());
    return {dx, {}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*,
                      const int32_t*, const CodeRange&, float*)>
    dsq_backward{"dsq_backward", dsq_backward_cpu};

const Algorithm dsq_algorithm{
    .name = "dsq",
    .citation = "Gong et al., Differentiable soft quantization, ICCV 2019 (arXiv 1908.05033)",
    .ends_by_range = true,
    .parameters = dsq_parameters,
    .initialise = dsq_initialise,
    .follow = dsq_follow,
    .grid = dsq_grid,
    .backward = dsq_quantizer_backward};

}  // namespace gradus
