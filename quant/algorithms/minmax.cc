// minmax -- a measured range and plain straight-through gradients.
//
// Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018 (arXiv
// 1806.08342); PyTorch's fake_quantize; MQBench 1.3 and 1.6.
//
// parameters  scale, and zero_point where it is free; both fixed after calibration. Or, where the
//             range follows (first and last layer of the algorithms that have no 8-bit rule of
//             their own), low and high: weights by each forward's own minimum and maximum,
//             activations 0.9 old + 0.1 new in training only, so that an evaluation does not depend
//             on its batches (MQBench, pitfall P15; --reading code: every forward's own range)
// forward     q = clamp(rne(x/s) + z, qmin, qmax), x_hat = s (q - z)
// initial     s and z by MQBench 1.3 from the range of everything seen, or by --calibration
// backward    dx = dy [qmin <= rne(x/s) + z <= qmax]
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"
#include "quant/numerics.h"

namespace gradus {

namespace {

std::vector<ParameterRow> minmax_parameters(const Quantizer& q) {
    if (q.follows_range) {
        return {{.name = "low", .initial = 0.0f, .learned = false},
                {.name = "high", .initial = 1.0f, .learned = false}};
    }
    std::vector<ParameterRow> rows{
        {.name = "scale", .initial = 1.0f, .learned = false, .positive = true}};
    if (q.free_zero_point) {
        rows.push_back({.name = "zero_point", .initial = 0.0f, .learned = false});
    }
    return rows;
}

void minmax_initialise(Quantizer& q, const Statistics& seen) {
    const auto grids = first_grids(q, seen, Calibration::min_max);
    for (size_t c = 0; c < grids.size(); ++c) {
        if (q.follows_range) {
            const Span range = range_of_scale(grids[c], q.format);
            keep_range(q, c, range.lo, range.hi);
            continue;
        }
        q.parameter("scale").value.data<float>()[c] = grids[c].scale;
        if (!q.free_zero_point) continue;
        q.parameter("zero_point").value.data<float>()[c] = static_cast<float>(grids[c].zero_point);
    }
}

void minmax_follow(Quantizer& q, const Tensor& x, bool training) {
    const bool at_once = q.role == Role::weight || q.reading == Reading::code;
    if (!q.follows_range || (!at_once && !training)) return;
    const Range range = observe_range(x, q.format.channel_axis);
    for (int64_t c = 0; c < range.min.numel(); ++c) {
        const float low = range.min.data<float>()[c], high = range.max.data<float>()[c];
        keep_range(q, c, at_once ? low : moved(q.values_of("low")[c], low),
                   at_once ? high : moved(q.values_of("high")[c], high));
    }
}

void minmax_project(Quantizer& q) {
    if (!q.follows_range) make_positive(q.parameter("scale").value, kScaleFloor);
}

Grid minmax_grid(const Quantizer& q) {
    if (q.follows_range) {
        return grid_of_ranges(q, q.values_of("low"), q.values_of("high"),
                              q.parameter("low").value.numel());
    }
    const Tensor scale = used_scale(q, q.parameter("scale").value);
    Tensor zero_point = fixed_zero_point(q, scale.numel());
    for (int64_t c = 0; q.free_zero_point && c < zero_point.numel(); ++c) {
        zero_point.data<int32_t>()[c] =
            round_zero_point(q.values_of("zero_point")[c], q.format.qmin(), q.format.qmax());
    }
    return {scale, zero_point, {}};
}

}  // namespace

const Algorithm minmax_algorithm{
    .name = "minmax",
    .citation = "a fixed scale from a calibrated range, plain straight-through (arXiv 1806.08342)",
    .takes_calibration = true,
    .parameters = minmax_parameters,
    .initialise = minmax_initialise,
    .follow = minmax_follow,
    .project = minmax_project,
    .grid = minmax_grid,
    .backward = straight_through};

}  // namespace gradus
