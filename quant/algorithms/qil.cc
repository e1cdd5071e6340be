// QIL -- quantization interval learning.
//
// Jung et al., "Learning to quantize deep networks by optimizing quantization intervals with task
// loss", CVPR 2019 (arXiv 1808.05779); MQBench 2.6, with gamma = 1.
//
// parameters  center C, width D (half of the interval), one each for the tensor
// forward     qil.h: the interval [C - D, C + D] of |x| is stretched to [0, 1], below it x is
//             pruned. The values are codes in [-n, n] times 1/n; they are not scaled back
// before use  C = min(|C|, max|x| / 2), D = min(|D|, max|x| / 2): weights at each forward,
//             activations in training only, so that an evaluation does not depend on its batches
// initial     C = D = max|x| / 2
// backward    qil.h, both sums times g = 1 / sqrt(numel * qmax)
// --reading code: unsigned activations are not clipped to [0, 1] (MQBench, pitfall P12)
#include "quant/algorithms/qil.h"

#include <algorithm>
#include <cmath>

#include "quant/algorithms/gradient_sums.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

void qil_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                      const QilInterval<float>& interval, float* dx, float* dcenter,
                      float* dwidth) {
    gradient_sums_cpu(x, dy, layout, QilElement{interval}, dx, dcenter, dwidth);
}

std::string qil_refusal(const Quantizer& q) {
    for (const auto& refusal :
         {refuse_per_channel(q), refuse_asymmetric(q), refuse_power_of_two(q)}) {
        if (!refusal.empty()) return refusal;
    }
    return "";
}

std::vector<ParameterRow> qil_parameters(const Quantizer&) {
    return {{.name = "center", .initial = 0.5f},
            {.name = "width", .initial = 0.5f, .positive = true}};
}

void qil_initialise(Quantizer& q, const Statistics& seen) {
    const ChannelStatistics& all = seen.channels().at(0);
    const float half = std::max(std::max(-all.min, all.max) / 2.0f, kScaleFloor);
    q.parameter("center").value.data<float>()[0] = half;
    q.parameter("width").value.data<float>()[0] = half;
}

void qil_follow(Quantizer& q, const Tensor& x, bool training) {
    if (q.role == Role::activation && !training) return;
    const Range range = observe_range(x, -1);
    const float half = std::max(-range.min.data<float>()[0], range.max.data<float>()[0]) / 2.0f;
    for (const char* name : {"center", "width"}) {
        float& value = q.parameter(name).value.data<float>()[0];
        value = std::min(std::fabs(value), half);
    }
}

void qil_project(Quantizer& q) {
    make_positive(q.parameter("center").value, 0.0f);
    make_positive(q.parameter("width").value, kScaleFloor);
}

int32_t levels(const Quantizer& q) {
    return q.format.qmax();
}

Grid qil_grid(const Quantizer& q) {
    const int32_t n = levels(q);
    return {Tensor::full({1}, 1.0f / static_cast<float>(n)), fixed_zero_point(q, 1),
            CodeBounds{q.format.is_signed ? -n : 0, n}};
}

QilInterval<float> interval_of(const Quantizer& q) {
    return {q.values_of("center")[0], q.values_of("width")[0], q.format.is_signed,
            q.format.is_signed || q.reading == Reading::paper};
}

Affine qil_codes(const Quantizer& q, const Grid& grid, const Tensor& x) {
    // Without the clip, codes leave the range of a byte.
    Affine result{Tensor::empty(x.shape(), DType::I32), grid.scale, grid.zero_point, -1};
    const QilInterval<float> interval = interval_of(q);
    const int32_t most = interval.clip ? levels(q) : INT32_MAX / 2;
    const float n = static_cast<float>(levels(q));
    const float* in = x.data<float>();
    int32_t* codes = result.codes.data<int32_t>();
    for_each_cpu(x.numel(), [=](int64_t i) {
        codes[i] = clamp_code(round_half_even(interval.code(in[i], n)), -most, most);
    });
    return result;
}

QuantizerGrads qil_quantizer_backward(const Quantizer& q, const Grid&, const Tensor& x,
                                      const Tensor& dy) {
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor dcenter = Tensor::empty({1}), dwidth = Tensor::empty({1});
    qil_backward(x.device(), x.data<float>(), dy.data<float>(), channel_layout(x.shape(), -1),
                 interval_of(q), dx.data<float>(), dcenter.data<float>(), dwidth.data<float>());
    const float g = lsq_gradient_scale(q, x.shape());
    multiply(dcenter, g);
    multiply(dwidth, g);
    return {dx, {dcenter, dwidth}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const QilInterval<float>&,
                      float*, float*, float*)>
    qil_backward{"qil_backward", qil_backward_cpu};

const Algorithm qil_algorithm{
    .name = "qil",
    .citation = "Jung et al., Quantization interval learning, CVPR 2019 (arXiv 1808.05779)",
    .not_deployable =
        "its input is transformed in float before it is rounded, which no integer "
        "library does",
    .ends_by_range = true,
    .refusal = qil_refusal,
    .parameters = qil_parameters,
    .initialise = qil_initialise,
    .follow = qil_follow,
    .project = qil_project,
    .grid = qil_grid,
    .codes = qil_codes,
    .backward = qil_quantizer_backward};

}  // namespace gradus
