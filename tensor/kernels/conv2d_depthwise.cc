#include "tensor/kernels/conv2d_depthwise.h"

#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace gradus {

namespace {

constexpr int64_t lanes = 32;

int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

// Computes out[lanes] of one pixel; only `wide` channels exist.
void gather_lanes(const ConvGather& g, const float* weights, const float* in, int64_t ih,
                  int64_t iw, int64_t c, int64_t wide, float* out) {
    float sum[lanes] = {};
    if (g.bias) std::copy_n(g.bias + c, wide, sum);
    for (const ConvTap& tap : g.taps) {
        const float* w = weights + (&tap - g.taps.data()) * g.groups + c;
        if (ih + tap.dh < 0 || ih + tap.dh >= g.in_h || iw + tap.dw < 0 || iw + tap.dw >= g.in_w) {
            continue;
        }
        const float* x = in + (tap.dh * g.in_w + tap.dw) * g.groups + c;
        if (wide == lanes) {
            for (int64_t i = 0; i < lanes; ++i) sum[i] += x[i] * w[i];
        } else {
            for (int64_t i = 0; i < wide; ++i) sum[i] += x[i] * w[i];
        }
    }
    std::copy_n(sum, wide, out + c);
}

void gather_row(const ConvGather& g, const float* weights, int64_t n, int64_t qh) {
    const int64_t ih = qh * g.in_step_h, oh = qh * g.out_step_h + g.out_first_h;
    for (int64_t qw = 0; qw < g.grid_w; ++qw) {
        const int64_t iw = qw * g.in_step_w, ow = qw * g.out_step_w + g.out_first_w;
        const float* in = g.in + ((n * g.in_h + ih) * g.in_w + iw) * g.groups;
        float* out = g.out + ((n * g.out_h + oh) * g.out_w + ow) * g.groups;
        for (int64_t c = 0; c < g.groups; c += lanes) {
            gather_lanes(g, weights, in, ih, iw, c, std::min(lanes, g.groups - c), out);
        }
    }
}

// part [KH * KW][C] += the products of one row of output pixels.
template <class X>
void add_weight_row(const X* x, float offset, const float* dy, const Conv2dShape& s, int64_t n,
                    int64_t oh, float* part) {
    for (int64_t at = 0; at < s.kh * s.kw; ++at, part += s.c) {
        const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + at / s.kw;
        if (ih < 0 || ih >= s.h) continue;
        for (int64_t ow = 0; ow < s.ow; ++ow) {
            const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + at % s.kw;
            if (iw < 0 || iw >= s.w) continue;
            const X* from = x + ((n * s.h + ih) * s.w + iw) * s.c;
            const float* slope = dy + ((n * s.oh + oh) * s.ow + ow) * s.c;
            for (int64_t c = 0; c < s.c; ++c) {
                part[c] += (static_cast<float>(from[c]) + offset) * slope[c];
            }
        }
    }
}

}  // namespace

void conv2d_gather_depthwise(const ConvGather& g) {
    const int64_t taps = static_cast<int64_t>(g.taps.size());
    Tensor weights = Tensor::empty({taps, g.groups});  // [taps][C]
    for (int64_t i = 0; i < taps * g.groups; ++i) {
        weights.data<float>()[i] =
            g.w[i % g.groups * g.w_group_stride + g.taps[i / g.groups].w_offset];
    }
    parallel_tasks(g.n * g.grid_h, [&](int64_t task) {
        gather_row(g, weights.data<float>(), task / g.grid_h, task % g.grid_h);
    });
}

template <class X>
void conv2d_backward_weight_depthwise(const X* x, float offset, float scale, const float* dy,
                                      float* dw, const Conv2dShape& s) {
    const int64_t images = divide_up(s.n, 32), chunks = divide_up(s.n, images);
    const int64_t taps = s.kh * s.kw;
    Tensor parts = Tensor::zeros({chunks, taps, s.c});
    parallel_tasks(chunks, [&](int64_t chunk) {
        float* part = parts.data<float>() + chunk * taps * s.c;
        for (int64_t n = chunk * images; n < std::min(s.n, (chunk + 1) * images); ++n) {
            for (int64_t oh = 0; oh < s.oh; ++oh) add_weight_row(x, offset, dy, s, n, oh, part);
        }
    });
    for (int64_t i = 0; i < taps * s.c; ++i) {
        float sum = 0.0f;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            sum += parts.data<float>()[chunk * taps * s.c + i];
        }
        dw[i % s.c * taps + i / s.c] = scale * sum;
    }
}

template void conv2d_backward_weight_depthwise(const float*, float, float, const float*, float*,
                                               const Conv2dShape&);
template void conv2d_backward_weight_depthwise(const int8_t*, float, float, const float*, float*,
                                               const Conv2dShape&);
template void conv2d_backward_weight_depthwise(const uint8_t*, float, float, const float*, float*,
                                               const Conv2dShape&);

}  // namespace gradus
