// APoT -- additive powers of two.
//
// Li et al., "Additive powers-of-two quantization: An efficient non-uniform discretization for
// neural networks", ICLR 2020 (arXiv 1909.13144); MQBench 2.7.
//
// parameters  alpha, per tensor or per channel
// forward     weights: x = (w - mean w) / (std w + 1e-5), unbiased, per channel where alpha is;
//             then apot.h with the levels of b - 1 bits (signed) or b bits (unsigned)
// initial     alpha = 3 for weights, 6 for activations
// backward    apot.h; through mean and standard deviation of the weights; no gradient scale
// --reading code is the same: MQBench's paper does not state APoT
#include "quant/algorithms/apot.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "quant/algorithms/gradient_sums.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

constexpr float kLeastAlpha = 1e-5f;
constexpr float kMargin = 1e-5f;

void apot_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                       const ApotElement& element, float* dx, float* dalpha) {
    gradient_sums_cpu(x, dy, layout, element, dx, dalpha, nullptr);
}

int level_bits(const QuantFormat& format) {
    return format.is_signed ? format.bits - 1 : format.bits;
}

std::string apot_refusal(const Quantizer& q) {
    for (const auto& refusal : {refuse_asymmetric(q), refuse_power_of_two(q)}) {
        if (!refusal.empty()) return refusal;
    }
    const int bits = level_bits(q.format);
    if (bits >= 2 && bits <= 6) return "";
    return join("it has sets of levels for 3 to 7 signed and 2 to 6 unsigned bits, not for ",
                q.format.bits, q.format.is_signed ? " signed" : " unsigned");
}

std::vector<ParameterRow> apot_parameters(const Quantizer& q) {
    const float initial = q.role == Role::weight ? 3.0f : 6.0f;
    return {{.name = "alpha", .initial = initial, .positive = true}};
}

void apot_initialise(Quantizer&, const Statistics&) {}  // the constants of the paper

void apot_project(Quantizer& q) {
    make_positive(q.parameter("alpha").value, kLeastAlpha);
}

Grid apot_grid(const Quantizer& q) {
    const ApotLevels levels = apot_levels(level_bits(q.format));
    Tensor scale = q.parameter("alpha").value.clone();
    multiply(scale, 1.0f / static_cast<float>(levels.top));
    return {scale, fixed_zero_point(q, scale.numel()),
            CodeBounds{q.format.is_signed ? -levels.top : 0, levels.top}};
}

// Mean and std + 1e-5 of one channel.
struct Moments {
    double mean, deviation;
    explicit Moments(const ChannelStatistics& seen)
        : mean(seen.mean()), deviation(seen.deviation() + kMargin) {}
};

std::vector<Moments> moments_of(const Tensor& w, int axis) {
    Statistics statistics(axis, false);
    statistics.add(w);
    return {statistics.channels().begin(), statistics.channels().end()};
}

// The values to round to the levels.
Tensor normalised(const Quantizer& q, const Tensor& x) {
    if (q.role == Role::activation) return x;
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const std::vector<Moments> moments = moments_of(x, q.format.channel_axis);
    Tensor result = Tensor::empty(x.shape());
    const float* w = x.data<float>();
    float* out = result.data<float>();
    for_each_cpu(x.numel(), [&, w, out](int64_t i) {
        const Moments& m = moments[i / layout.inner % layout.channels];
        out[i] = static_cast<float>((w[i] - m.mean) / m.deviation);
    });
    return result;
}

Affine apot_codes(const Quantizer& q, const Grid& grid, const Tensor& x) {
    Affine result{Tensor::empty(x.shape(), DType::I32), grid.scale, grid.zero_point,
                  q.format.channel_axis};
    const ApotLevels levels = apot_levels(level_bits(q.format));
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const Tensor placed = normalised(q, x);
    const float* in = placed.data<float>();
    const float* alpha = q.values_of("alpha");
    int32_t* codes = result.codes.data<int32_t>();
    for_each_cpu(x.numel(), [=, is_signed = q.format.is_signed](int64_t i) {
        codes[i] = apot_code(levels, in[i] / alpha[i / layout.inner % layout.channels], is_signed);
    });
    return result;
}

// Turns the gradient g of x = (w - mean) / (std w + 1e-5) into that of w; c: the channel.
void through_normalisation(const ChannelLayout& layout, int64_t c, const Moments& m, const float* x,
                           const float* g, float* dw) {
    const double n = static_cast<double>(layout.per_channel());
    const auto for_elements = [&](const auto& f) {
        for (int64_t o = 0; o < layout.outer; ++o) {
            const int64_t row = (o * layout.channels + c) * layout.inner;
            for (int64_t i = row; i < row + layout.inner; ++i) f(i);
        }
    };
    double sum = 0.0, along = 0.0;
    for_elements([&](int64_t i) {
        sum += g[i];
        along += double{g[i]} * x[i];
    });
    const double spread = m.deviation - kMargin;  // 0: all weights are the same
    const double pull = spread > 0.0 && n > 1.0 ? along / ((n - 1.0) * spread) : 0.0;
    for_elements([&](int64_t i) {
        dw[i] = static_cast<float>((g[i] - sum / n) / m.deviation - pull * x[i]);
    });
}

QuantizerGrads apot_quantizer_backward(const Quantizer& q, const Grid&, const Tensor& x,
                                       const Tensor& dy) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const Tensor placed = normalised(q, x);
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor dalpha = Tensor::empty({layout.channels});
    const ApotElement element{apot_levels(level_bits(q.format)), q.values_of("alpha"),
                              q.format.is_signed};
    apot_backward(x.device(), placed.data<float>(), dy.data<float>(), layout, element,
                  dx.data<float>(), dalpha.data<float>());
    multiply(dalpha, q.gradient_scale.value_or(1.0f));
    if (q.role == Role::activation) return {dx, {dalpha}};
    const std::vector<Moments> moments = moments_of(x, q.format.channel_axis);
    Tensor dw = Tensor::empty(x.shape());
    parallel_tasks(layout.channels, [&](int64_t c) {
        through_normalisation(layout, c, moments[c], placed.data<float>(), dx.data<float>(),
                              dw.data<float>());
    });
    return {dw, {dalpha}};
}

}  // namespace

// Powers of two in units of the smallest, so that levels are whole numbers.
ApotLevels apot_levels(int bits) {
    struct Sets {
        int a[4], b[4], c[4];
    };
    static const Sets sets[] = {
        {{0, 4, 2, 1}, {}, {}},                              // 2 bits, units of 1/8
        {{0, 8, 4, 1}, {0, 2}, {}},                          // 3 bits, 1/16
        {{0, 32, 8, 2}, {0, 16, 4, 1}, {}},                  // 4 bits, 1/64
        {{0, 64, 16, 2}, {0, 32, 8, 1}, {0, 4}},             // 5 bits, 1/128
        {{0, 256, 32, 4}, {0, 128, 16, 2}, {0, 64, 8, 1}}};  // 6 bits, 1/512
    check(bits >= 2 && bits <= 6, "apot: no levels of ", bits, " bits");
    std::set<int> sums;
    const Sets& s = sets[bits - 2];
    for (int a : s.a) {
        for (int b : s.b) {
            for (int c : s.c) sums.insert(a + b + c);
        }
    }
    ApotLevels levels;
    levels.top = *sums.rbegin();
    for (int sum : sums) levels.level[levels.count++] = static_cast<int16_t>(sum);
    return levels;
}

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const ApotElement&, float*,
                      float*)>
    apot_backward{"apot_backward", apot_backward_cpu};

const Algorithm apot_algorithm{
    .name = "apot",
    .citation = "Li et al., Additive powers-of-two quantization, ICLR 2020 (arXiv 1909.13144)",
    .not_deployable =
        "its levels are not equally spaced, and integer libraries multiply codes of "
        "uniform grids",
    .ends_by_range = true,
    .refusal = apot_refusal,
    .parameters = apot_parameters,
    .initialise = apot_initialise,
    .project = apot_project,
    .grid = apot_grid,
    .codes = apot_codes,
    .backward = apot_quantizer_backward};

}  // namespace gradus
