#include "quant/algorithms/shared.h"

#include <algorithm>
#include <cmath>

#include "quant/fake_quantize.h"
#include "quant/numerics.h"
#include "tensor/channel_layout.h"
#include "tensor/parallel.h"

namespace gradus {

Tensor used_scale(const Quantizer& q, const Tensor& scale) {
    Tensor used = scale.clone();
    if (!q.format.power_of_two) return used;
    for (float *s = used.data<float>(), *end = s + used.numel(); s != end; ++s) {
        *s = power_of_two_scale(*s);
    }
    return used;
}

void chain_scale_gradient(const Quantizer& q, float gradient_scale, Tensor& ds) {
    multiply(ds, gradient_scale);
    if (!q.format.power_of_two) return;
    const float* scale = q.values_of("scale");
    for (int64_t c = 0; c < ds.numel(); ++c) {
        ds.data<float>()[c] *= power_of_two_scale(scale[c]) / scale[c];
    }
}

void multiply(Tensor& gradient, float factor) {
    for (int64_t c = 0; c < gradient.numel(); ++c) gradient.data<float>()[c] *= factor;
}

void make_positive(Tensor& values, float floor) {
    for (float *v = values.data<float>(), *end = v + values.numel(); v != end; ++v) {
        *v = std::max(std::fabs(*v), floor);
    }
}

Tensor fixed_zero_point(const Quantizer& q, int64_t channels) {
    const int32_t z = q.format.symmetric ? 0 : q.format.qmin();
    return Tensor::from(std::vector<int32_t>(channels, z), {channels});
}

namespace {

// Trained networks have dead channels: weights near zero under a bias that is not. With a separate
// scale for such a channel its bias overflows int32. At 2^-16 of the layer's largest scale the bias
// fits, and the weights, then zeros, lose less than rounding costs elsewhere.
void lift_dead_channels(std::vector<ScaleAndZero>& grids) {
    float largest = 0.0f;
    for (const ScaleAndZero& grid : grids) largest = std::max(largest, grid.scale);
    for (ScaleAndZero& grid : grids) grid.scale = std::max(grid.scale, largest * 0x1p-16f);
}

}  // namespace

std::vector<ScaleAndZero> first_grids(const Quantizer& q, const Statistics& seen, Calibration own) {
    const Calibration method = q.calibration == Calibration::own ? own : q.calibration;
    QuantFormat plain = q.format;
    plain.power_of_two = false;
    std::vector<ScaleAndZero> grids(seen.channels().size());
    parallel_tasks(static_cast<int64_t>(grids.size()), [&](int64_t c) {
        grids[c] = calibrate_channel(method, seen.channels()[c], q.format);
        if (q.format.power_of_two && !needs_histogram(method)) {
            // The exponent is rounded at each use; the parameter keeps the scale (MQBench 1.4).
            grids[c].scale = calibrate_channel(method, seen.channels()[c], plain).scale;
        }
        if (is_dead(q, seen.channels()[c].min, seen.channels()[c].max)) grids[c].scale = 1.0f;
    });
    if (q.role == Role::weight) lift_dead_channels(grids);
    return grids;
}

void keep_range(Quantizer& q, int64_t channel, float low, float high) {
    q.parameter("low").value.data<float>()[channel] = low;
    q.parameter("high").value.data<float>()[channel] = high;
}

QuantizerGrads straight_through(const Quantizer& q, const Grid& grid, const Tensor& x,
                                const Tensor& dy) {
    const CodeBounds bounds = bounds_of(grid, q.format);
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    straight_through_backward(x.device(), x.data<float>(), dy.data<float>(),
                              channel_layout(x.shape(), q.format.channel_axis),
                              grid.scale.data<float>(), grid.zero_point.data<int32_t>(),
                              {bounds.lo, bounds.hi, q.format.is_signed}, dx.data<float>());
    return {dx, {}};
}

std::string refuse_per_channel(const Quantizer& q) {
    return q.format.per_channel() ? "its parameters are one for the whole tensor; not per channel"
                                  : "";
}

std::string refuse_asymmetric(const Quantizer& q) {
    return q.format.symmetric ? "" : "its levels are symmetric; it has no zero point";
}

std::string refuse_power_of_two(const Quantizer& q) {
    return q.format.power_of_two ? "its scale does not follow from a step that could be rounded to "
                                   "a power of two"
                                 : "";
}

}  // namespace gradus
