// DoReFa -- weights through tanh, activations in a fixed interval.
//
// Zhou et al., "DoReFa-Net: Training low bitwidth convolutional neural networks with low bitwidth
// gradients", 2016 (arXiv 1606.06160); MQBench 2.4.
//
// parameters  low, high (kept, not learned): of weights, the range of w_bar
// forward     weights: w_bar = tanh(w) / M, M = max|tanh w| + 1e-5 over the whole tensor, quantized
//             on the grid of its own range (MQBench 1.3), taken as constant. The values stay within
//             [-1, 1] and are not scaled back: a batch norm after them is relied on
//             activations: on the grid of [-1, 1], or [0, 1] where nothing negative comes
// backward    activations dx = dy [in]. Weights, with G = dy [in], t = tanh w, k = argmax |t| (ties
//             share alike): dt_i = G_i / M - [i = k] sign(t_k) (sum_j G_j t_j) / M^2,
//             dw_i = dt_i (1 - t_i^2)
// exactness   rounded: tanh in float; codes are exact for given w_bar
#include <algorithm>
#include <cmath>

#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr float kMargin = 1e-5f;

std::string dorefa_refusal(const Quantizer& q) {
    return q.role == Role::activation && q.format.per_channel()
               ? "the interval of activations is one for the whole tensor; not per channel"
               : "";
}

std::vector<ParameterRow> dorefa_parameters(const Quantizer& q) {
    if (q.role == Role::activation) return {};
    return {{.name = "low", .initial = -1.0f, .learned = false},
            {.name = "high", .initial = 1.0f, .learned = false}};
}

// M from the ranges of w: tanh is increasing.
float largest_tanh(const float* min, const float* max, int64_t channels) {
    float most = 0.0f;
    for (int64_t c = 0; c < channels; ++c) {
        most = std::max({most, std::fabs(std::tanh(min[c])), std::fabs(std::tanh(max[c]))});
    }
    return most + kMargin;
}

void set_ranges(Quantizer& q, const std::vector<float>& min, const std::vector<float>& max) {
    const auto channels = static_cast<int64_t>(min.size());
    const float m = largest_tanh(min.data(), max.data(), channels);
    for (int64_t c = 0; c < channels; ++c) {
        keep_range(q, c, std::tanh(min[c]) / m, std::tanh(max[c]) / m);
    }
}

void dorefa_initialise(Quantizer& q, const Statistics& seen) {
    if (q.role == Role::activation) return;
    std::vector<float> min, max;
    for (const ChannelStatistics& channel : seen.channels()) {
        min.push_back(channel.min);
        max.push_back(channel.max);
    }
    set_ranges(q, min, max);
}

void dorefa_follow(Quantizer& q, const Tensor& x, bool) {
    if (q.role == Role::activation) return;
    const Range range = observe_range(x, q.format.channel_axis);
    set_ranges(q, range.min.to_vector<float>(), range.max.to_vector<float>());
}

Grid dorefa_grid(const Quantizer& q) {
    if (q.role == Role::weight) {
        return grid_of_ranges(q, q.values_of("low"), q.values_of("high"),
                              q.parameter("low").value.numel());
    }
    const bool no_negative = q.format.symmetric ? !q.format.is_signed : !q.free_zero_point;
    const std::vector<float> low(1, no_negative ? 0.0f : -1.0f), high(1, 1.0f);
    return grid_of_ranges(q, low.data(), high.data(), 1);
}

// tanh(w) and M.
struct Squashed {
    Tensor t;
    float m;
};

Squashed squash(const Tensor& w) {
    const Range range = observe_range(w, -1);
    Squashed result{Tensor::empty(w.shape()),
                    largest_tanh(range.min.data<float>(), range.max.data<float>(), 1)};
    const float* in = w.data<float>();
    float* out = result.t.data<float>();
    for_each_cpu(w.numel(), [=](int64_t i) { out[i] = std::tanh(in[i]); });
    return result;
}

// The values to be quantized, tanh(w) / M.
Tensor scaled(const Squashed& s) {
    Tensor w_bar = Tensor::empty(s.t.shape());
    const float* t = s.t.data<float>();
    float* out = w_bar.data<float>();
    for_each_cpu(w_bar.numel(), [=, m = s.m](int64_t i) { out[i] = t[i] / m; });
    return w_bar;
}

Tensor squashed_weights(const Tensor& w) {
    return scaled(squash(w));
}

Affine dorefa_codes(const Quantizer& q, const Grid& grid, const Tensor& x) {
    return quantize_to_grid(q.role == Role::weight ? squashed_weights(x) : x, grid, q.format);
}

Tensor dorefa_values(const Quantizer& q, const Grid& grid, const Tensor& x) {
    return fake_quantize_to_grid(q.role == Role::weight ? squashed_weights(x) : x, grid, q.format);
}

// Turns G, the gradient of w_bar after the mask, into that of w.
Tensor through_tanh(const Squashed& s, const Tensor& g) {
    const float* t = s.t.data<float>();
    const int64_t n = g.numel();
    double sum = 0.0;
    float most = 0.0f;
    for (int64_t i = 0; i < n; ++i) {
        sum += double{g.data<float>()[i]} * t[i];
        most = std::max(most, std::fabs(t[i]));
    }
    int64_t ties = 0;
    for (int64_t i = 0; i < n; ++i) ties += std::fabs(t[i]) == most;
    const double share = sum / (double{s.m} * s.m * static_cast<double>(ties));
    Tensor dw = Tensor::empty(g.shape());
    for (int64_t i = 0; i < n; ++i) {
        double dt = double{g.data<float>()[i]} / s.m;
        if (std::fabs(t[i]) == most) dt -= t[i] < 0.0f ? -share : share;
        dw.data<float>()[i] = static_cast<float>(dt * (1.0 - double{t[i]} * t[i]));
    }
    return dw;
}

QuantizerGrads dorefa_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                               const Tensor& dy) {
    if (q.role == Role::activation) return straight_through(q, grid, x, dy);
    const Squashed squashed = squash(x);
    return {through_tanh(squashed, straight_through(q, grid, scaled(squashed), dy).dx), {}};
}

}  // namespace

const Algorithm dorefa_algorithm{.name = "dorefa",
                                 .citation = "Zhou et al., DoReFa-Net, 2016 (arXiv 1606.06160)",
                                 .ends_by_range = true,
                                 .refusal = dorefa_refusal,
                                 .parameters = dorefa_parameters,
                                 .initialise = dorefa_initialise,
                                 .follow = dorefa_follow,
                                 .grid = dorefa_grid,
                                 .codes = dorefa_codes,
                                 .values = dorefa_values,
                                 .backward = dorefa_backward};

}  // namespace gradus
