#include "quant/observers.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "quant/numerics.h"
#include "tensor/channel_layout.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

// Calls row(channel, first element, count) for every contiguous run, one channel in order.
void for_rows(const ChannelLayout& layout, int64_t channel,
              const std::function<void(int64_t offset, int64_t n)>& row) {
    for (int64_t o = 0; o < layout.outer; ++o) {
        row((o * layout.channels + channel) * layout.inner, layout.inner);
    }
}

}  // namespace

Range observe_range(const Tensor& x, int axis) {
    const ChannelLayout layout = channel_layout(x.shape(), axis);
    check(x.numel() > 0, "observer: an empty array has no range");
    Range range{Tensor::empty({layout.channels}), Tensor::empty({layout.channels})};
    const float* values = x.data<float>();
    parallel_tasks(layout.channels, [&](int64_t c) {
        float lo = INFINITY, hi = -INFINITY;
        for_rows(layout, c, [&](int64_t offset, int64_t n) {
            const auto [min, max] = std::minmax_element(values + offset, values + offset + n);
            lo = std::min(lo, *min);
            hi = std::max(hi, *max);
        });
        range.min.data<float>()[c] = lo;
        range.max.data<float>()[c] = hi;
    });
    return range;
}

Tensor mean_magnitude(const Tensor& x, int axis) {
    const ChannelLayout layout = channel_layout(x.shape(), axis);
    check(x.numel() > 0, "observer: an empty array has no mean");
    Tensor mean = Tensor::empty({layout.channels});
    const float* values = x.data<float>();
    parallel_tasks(layout.channels, [&](int64_t c) {
        double sum = 0.0;
        for_rows(layout, c, [&](int64_t offset, int64_t n) {
            for (int64_t i = 0; i < n; ++i) sum += std::fabs(values[offset + i]);
        });
        mean.data<float>()[c] = static_cast<float>(sum / static_cast<double>(layout.per_channel()));
    });
    return mean;
}

ScaleAndZero scale_from_range(float min, float max, const QuantFormat& format) {
    const float lo = std::min(min, 0.0f), hi = std::max(max, 0.0f);
    const float levels = static_cast<float>(format.qmax() - format.qmin());
    if (format.symmetric) {
        const float reach = std::max(-lo, hi);
        const float s = reach / (format.is_signed ? levels / 2.0f : levels);
        return {std::max(s, kScaleFloor), 0};
    }
    const float s = std::max((hi - lo) / levels, kScaleFloor);
    const float z = static_cast<float>(format.qmin()) - round_half_even(lo / s);
    return {s, clamp_code(z, format.qmin(), format.qmax())};
}

void initialise_from_range(Quantizer& q, const Tensor& x) {
    const Range range = observe_range(x, q.format.channel_axis);
    for (int64_t c = 0; c < range.min.numel(); ++c) {
        const ScaleAndZero found =
            scale_from_range(range.min.data<float>()[c], range.max.data<float>()[c], q.format);
        q.parameter("scale").value.data<float>()[c] = found.scale;
        if (q.learn_zero_point) {
            q.parameter("zero_point").value.data<float>()[0] = static_cast<float>(found.zero_point);
        }
    }
}

}  // namespace gradus
