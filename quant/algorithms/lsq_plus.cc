// LSQ+ -- learned step size with a learned offset.
//
// Bhalgat et al., "LSQ+: Improving low-bit quantization through learnable offsets and better
// initialization", CVPR Workshops 2020 (arXiv 2004.09576).
//
// parameters  scale s; beta, real, where the zero point is free
// forward     q = rne(clip((x - beta)/s, qmin, qmax)), x_hat = s q + beta. Targets have an integer
//             zero point: --simulate exact uses z = clip(rne(-beta/s), qmin, qmax) and the grid
//             s (q - z), --simulate qdq the real offset (docs/decisions/006)
// initial     weights: s = max(|mean - 3 sigma|, |mean + 3 sigma|) / 2^(b-1); activations: the
//             range of x, s = (max - min) / (qmax - qmin), beta = min - s qmin
// backward    lsq_plus.h, both sums times g = 1 / sqrt(numel / channels * qmax)
#include "quant/algorithms/lsq_plus.h"

#include <algorithm>
#include <cmath>

#include "quant/algorithms/gradient_sums.h"
#include "quant/algorithms/rows.h"
#include "quant/algorithms/shared.h"

namespace gradus {

namespace {

void real_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                       const float* scale, const float* beta, const CodeRange& range, float* dx,
                       float* ds, float* dbeta) {
    gradient_sums_cpu(x, dy, layout, LsqPlusRealElement{scale, beta, range}, dx, ds, dbeta);
}

void integer_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                          const float* scale, const int32_t* zero_point, const float* shift,
                          const CodeRange& range, float* dx, float* ds, float* dbeta) {
    gradient_sums_cpu(x, dy, layout, LsqPlusIntegerElement{scale, zero_point, shift, range}, dx, ds,
                      dbeta);
}

bool real_offset(const Quantizer& q) {
    return q.free_zero_point && q.simulate == Simulate::qdq;
}

std::vector<ParameterRow> lsq_plus_parameters(const Quantizer& q) {
    std::vector<ParameterRow> rows{{.name = "scale", .initial = 1.0f, .positive = true}};
    if (q.free_zero_point) rows.push_back({.name = "beta", .initial = 0.0f});
    return rows;
}

float three_sigma_scale(const ChannelStatistics& seen, int bits) {
    const double mean = seen.mean(), reach = 3.0 * seen.deviation();
    const double most = std::max(std::fabs(mean - reach), std::fabs(mean + reach));
    return std::max(static_cast<float>(most / (1 << (bits - 1))), kScaleFloor);
}

void lsq_plus_initialise(Quantizer& q, const Statistics& seen) {
    const auto grids = first_grids(q, seen, Calibration::min_max);
    const bool own = q.calibration == Calibration::own;
    for (size_t c = 0; c < grids.size(); ++c) {
        const ChannelStatistics& channel = seen.channels()[c];
        float& s = q.parameter("scale").value.data<float>()[c];
        s = grids[c].scale;
        if (own && q.role == Role::weight && !q.free_zero_point) {
            s = three_sigma_scale(channel, q.format.bits);
        }
        if (!q.free_zero_point) continue;
        const float low = std::min(channel.min, 0.0f);
        const float used = q.format.power_of_two ? power_of_two_scale(s) : s;
        const float real = low - used * static_cast<float>(q.format.qmin());
        q.parameter("beta").value.data<float>()[c] =
            own ? real : -used * static_cast<float>(grids[c].zero_point);
    }
}

// Keeps an integer zero point within the codes; the real offset is free.
void lsq_plus_project(Quantizer& q) {
    make_positive(q.parameter("scale").value, kScaleFloor);
    if (!q.free_zero_point || real_offset(q)) return;
    const Tensor scale = used_scale(q, q.parameter("scale").value);
    float* beta = q.parameter("beta").value.data<float>();
    for (int64_t c = 0; c < scale.numel(); ++c) {
        const float s = scale.data<float>()[c];
        beta[c] = std::clamp(beta[c], -s * float(q.format.qmax()), -s * float(q.format.qmin()));
    }
}

Grid lsq_plus_grid(const Quantizer& q) {
    const Tensor scale = used_scale(q, q.parameter("scale").value);
    Tensor zero_point = fixed_zero_point(q, scale.numel());
    if (q.free_zero_point) {
        const float* beta = q.values_of("beta");
        for (int64_t c = 0; c < scale.numel(); ++c) {
            zero_point.data<int32_t>()[c] = round_zero_point(-beta[c] / scale.data<float>()[c],
                                                             q.format.qmin(), q.format.qmax());
        }
    }
    return {scale, zero_point, {}};
}

// One element on the real grid.
struct RealCode {
    float s, beta, qmin, qmax;
    float operator()(float x) const {
        const float v = (x - beta) / s;
        const float above = v > qmin ? v : qmin;  // NaN -> qmin, as in numerics.h
        return round_half_even(above < qmax ? above : qmax);
    }
};

// Calls f(i, code, channel's element) for every element of x on the real grid.
template <class F>
void for_real_codes(const Quantizer& q, const Grid& grid, const Tensor& x, const F& f) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const float* scale = grid.scale.data<float>();
    const float* beta = q.values_of("beta");
    const float* values = x.data<float>();
    for_each_cpu(x.numel(), [&](int64_t i) {
        const int64_t c = i / layout.inner % layout.channels;
        const RealCode element{scale[c], beta[c], static_cast<float>(q.format.qmin()),
                               static_cast<float>(q.format.qmax())};
        f(i, element(values[i]), element);
    });
}

Affine lsq_plus_codes(const Quantizer& q, const Grid& grid, const Tensor& x) {
    if (!real_offset(q)) return quantize_to_grid(x, grid, q.format);
    Affine result{Tensor::empty(x.shape(), q.format.code_dtype()), grid.scale, grid.zero_point,
                  q.format.channel_axis};
    auto* bytes = static_cast<uint8_t*>(result.codes.raw());
    for_real_codes(q, grid, x, [=](int64_t i, float code, const RealCode&) {
        bytes[i] = static_cast<uint8_t>(static_cast<int32_t>(code));
    });
    return result;
}

Tensor lsq_plus_values(const Quantizer& q, const Grid& grid, const Tensor& x) {
    if (!real_offset(q)) return fake_quantize_to_grid(x, grid, q.format);
    Tensor x_hat = Tensor::empty(x.shape());
    float* out = x_hat.data<float>();
    for_real_codes(q, grid, x, [=](int64_t i, float code, const RealCode& element) {
        out[i] = code * element.s + element.beta;
    });
    return x_hat;
}

// z - z_real, with z_real = -beta/s, or 0 if nothing is learned.
std::vector<float> zero_point_shifts(const Quantizer& q, const Grid& grid) {
    std::vector<float> shifts(grid.scale.numel());
    const Tensor scale = used_scale(q, q.parameter("scale").value);
    for (size_t c = 0; c < shifts.size(); ++c) {
        const float z = static_cast<float>(grid.zero_point.data<int32_t>()[c]);
        const float real =
            q.free_zero_point ? -q.values_of("beta")[c] / scale.data<float>()[c] : 0.0f;
        shifts[c] = z - real;
    }
    return shifts;
}

QuantizerGrads lsq_plus_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                                 const Tensor& dy) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const CodeRange range{q.format.qmin(), q.format.qmax(), q.format.is_signed};
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor ds = Tensor::empty({layout.channels});
    Tensor dbeta = Tensor::empty({layout.channels});
    if (real_offset(q)) {
        lsq_plus_real_backward(x.device(), x.data<float>(), dy.data<float>(), layout,
                               grid.scale.data<float>(), q.values_of("beta"), range,
                               dx.data<float>(), ds.data<float>(), dbeta.data<float>());
    } else {
        lsq_plus_integer_backward(x.device(), x.data<float>(), dy.data<float>(), layout,
                                  grid.scale.data<float>(), grid.zero_point.data<int32_t>(),
                                  zero_point_shifts(q, grid).data(), range, dx.data<float>(),
                                  ds.data<float>(), dbeta.data<float>());
    }
    const float g = lsq_gradient_scale(q, x.shape());
    chain_scale_gradient(q, g, ds);
    if (!q.free_zero_point) return {dx, {ds}};
    multiply(dbeta, g);
    return {dx, {ds, dbeta}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*, const float*,
                      const CodeRange&, float*, float*, float*)>
    lsq_plus_real_backward{"lsq_plus_real_backward", real_backward_cpu};
constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*,
                      const int32_t*, const float*, const CodeRange&, float*, float*, float*)>
    lsq_plus_integer_backward{"lsq_plus_integer_backward", integer_backward_cpu};

const Algorithm lsq_plus_algorithm{
    .name = "lsq+",
    .citation = "Bhalgat et al., LSQ+, CVPR Workshops 2020 (arXiv 2004.09576)",
    .takes_calibration = true,
    .real_offset = true,
    .parameters = lsq_plus_parameters,
    .initialise = lsq_plus_initialise,
    .project = lsq_plus_project,
    .grid = lsq_plus_grid,
    .codes = lsq_plus_codes,
    .values = lsq_plus_values,
    .backward = lsq_plus_backward};

}  // namespace gradus
