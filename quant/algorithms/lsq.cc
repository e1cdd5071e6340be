// LSQ -- learned step size quantization.
//
// Esser et al., "Learned step size quantization", ICLR 2020 (arXiv 1902.08153); MQBench, App. B.
//
// parameters  scale s (per tensor or per channel); asymmetric and learned: zero_point z, real
// forward     q = clamp(rne(x/s) + rne(z), qmin, qmax), x_hat = s (q - rne(z))
// initial     s = 2 mean|x| / sqrt(qmax), per channel: the channel's mean. A learned zero point
//             starts, with its scale, from the range of x (docs/decisions/004)
// backward    lsq.h, times g = 1 / sqrt(numel / channels * qmax), numel with the batch
#include "quant/algorithms/lsq.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/algorithms/rows.h"
#include "quant/observers.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int lanes = 16;
constexpr int64_t block = 512;      // elements summed in float before they go to double
constexpr int64_t chunk = 1 << 15;  // elements of one task

struct Sums {
    double ds = 0.0, dz = 0.0;
};

// One block: the lanes' sums in float, whole lanes first, then the rest.
Sums lsq_block(const float* __restrict x, const float* __restrict dy, int64_t n, float s,
               const CodeRange& range, float* __restrict dx) {
    const float z = static_cast<float>(range.zero_point);
    const float qmin = static_cast<float>(range.qmin), qmax = static_cast<float>(range.qmax);
    float ds[lanes] = {}, dz[lanes] = {};
    const int64_t whole = n / lanes * lanes;
    for (int64_t i = 0; i < whole; i += lanes) {
#pragma GCC unroll 1
        for (int lane = 0; lane < lanes; ++lane) {
            const auto terms = lsq_terms(x[i + lane], dy[i + lane], s, z, qmin, qmax);
            dx[i + lane] = terms.dx;
            ds[lane] += terms.ds;
            dz[lane] += terms.dz;
        }
    }
    for (int64_t i = whole; i < n; ++i) {
        const auto terms = lsq_terms(x[i], dy[i], s, z, qmin, qmax);
        dx[i] = terms.dx;
        ds[i - whole] += terms.ds;
        dz[i - whole] += terms.dz;
    }
    Sums sums;
    for (int lane = 0; lane < lanes; ++lane) {
        sums.ds += ds[lane];
        sums.dz += dz[lane];
    }
    return sums;
}

Sums lsq_row(const float* x, const float* dy, int64_t n, float s, const CodeRange& range,
             float* dx) {
    Sums sums;
    for (int64_t begin = 0; begin < n; begin += block) {
        const Sums part =
            lsq_block(x + begin, dy + begin, std::min(block, n - begin), s, range, dx + begin);
        sums.ds += part.ds;
        sums.dz += part.dz;
    }
    return sums;
}

void lsq_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                      const float* scale, const CodeRange& range, float* dx, float* ds, float* dz) {
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    std::vector<Sums> partial(layout.outer * layout.channels * pieces);
    parallel_chunks(
        partial.size(), layout.inner >= 4096 ? 1 : 64, [&](int64_t first, int64_t last) {
            for (int64_t task = first; task < last; ++task) {
                const int64_t row = task / pieces;
                const int64_t begin = task % pieces * chunk;
                const int64_t n = std::min(chunk, layout.inner - begin);
                const int64_t offset = row * layout.inner + begin;
                partial[task] = lsq_row(x + offset, dy + offset, n, scale[row % layout.channels],
                                        range, dx + offset);
            }
        });
    for (int64_t c = 0; c < layout.channels; ++c) {
        Sums sum;
        for (int64_t o = 0; o < layout.outer; ++o) {
            for (int64_t p = 0; p < pieces; ++p) {
                sum.ds += partial[(o * layout.channels + c) * pieces + p].ds;
                sum.dz += partial[(o * layout.channels + c) * pieces + p].dz;
            }
        }
        ds[c] = static_cast<float>(sum.ds);
        if (dz) dz[c] = static_cast<float>(sum.dz);
    }
}

std::vector<std::string> lsq_parameters(const Quantizer& q) {
    if (q.learn_zero_point) return {"scale", "zero_point"};
    return {"scale"};
}

void lsq_initialise(Quantizer& q, const Tensor& x) {
    if (q.learn_zero_point) {
        initialise_from_range(q, x);
        return;
    }
    const Tensor mean = mean_magnitude(x, q.format.channel_axis);
    float* s = q.parameter("scale").value.data<float>();
    for (int64_t c = 0; c < mean.numel(); ++c) {
        const float value = 2.0f * mean.data<float>()[c] / std::sqrt(float(q.format.qmax()));
        s[c] = std::max(value, kScaleFloor);
    }
}

void lsq_project(Quantizer& q) {
    Tensor& s = q.parameter("scale").value;
    for (float *v = s.data<float>(), *end = v + s.numel(); v != end; ++v) {
        *v = std::max(std::fabs(*v), kScaleFloor);
    }
    if (!q.learn_zero_point) return;
    float& z = *q.parameter("zero_point").value.data<float>();
    z = std::clamp(z, float(q.format.qmin()), float(q.format.qmax()));
}

// A copy: the parameter may be updated while a grid is still in use.
Tensor used_scale(const Quantizer& q) {
    Tensor scale = q.parameter("scale").value.clone();
    if (!q.format.power_of_two) return scale;
    for (float *s = scale.data<float>(), *end = s + scale.numel(); s != end; ++s) {
        *s = power_of_two_scale(*s);
    }
    return scale;
}

Grid lsq_grid(const Quantizer& q) {
    int32_t z = q.format.symmetric ? 0 : q.format.qmin();
    if (q.learn_zero_point) {
        z = round_zero_point(*q.parameter("zero_point").value.data<float>(), q.format.qmin(),
                             q.format.qmax());
    }
    return {used_scale(q), Tensor::from(std::vector<int32_t>{z}, {1})};
}

void scale_by(Tensor& gradient, const Tensor* factor, float g) {
    for (int64_t c = 0; c < gradient.numel(); ++c) {
        float& value = gradient.data<float>()[c];
        value *= g;
        if (factor) value *= factor->data<float>()[c];
    }
}

QuantizerGrads lsq_quantizer_backward(const Quantizer& q, const Grid& grid, const Tensor& x,
                                      const Tensor& dy) {
    const ChannelLayout layout = channel_layout(x.shape(), q.format.channel_axis);
    const CodeRange range{grid.zero_point.data<int32_t>()[0], q.format.qmin(), q.format.qmax(),
                          q.format.is_signed};
    Tensor dx = Tensor::empty(x.shape(), DType::F32, x.device());
    Tensor ds = Tensor::empty({layout.channels});
    Tensor dz = Tensor::empty({layout.channels});
    lsq_backward(x.device(), x.data<float>(), dy.data<float>(), layout, grid.scale.data<float>(),
                 range, dx.data<float>(), ds.data<float>(), dz.data<float>());
    const float g = lsq_gradient_scale(q.format, x.shape());
    if (q.format.power_of_two) {  // d s_pot / d s = s_pot / s
        Tensor chain = grid.scale.clone();
        const float* s = q.parameter("scale").value.data<float>();
        for (int64_t c = 0; c < chain.numel(); ++c) chain.data<float>()[c] /= s[c];
        scale_by(ds, &chain, g);
    } else {
        scale_by(ds, nullptr, g);
    }
    scale_by(dz, nullptr, g);
    if (q.learn_zero_point) return {dx, {ds, dz}};
    return {dx, {ds}};
}

}  // namespace

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*,
                      const CodeRange&, float*, float*, float*)>
    lsq_backward{"lsq_backward", lsq_backward_cpu};

const Algorithm lsq_algorithm{
    "lsq",
    "Esser et al., Learned step size quantization, ICLR 2020 (arXiv 1902.08153)",
    lsq_parameters,
    lsq_initialise,
    lsq_project,
    lsq_grid,
    lsq_quantizer_backward};

}  // namespace gradus
