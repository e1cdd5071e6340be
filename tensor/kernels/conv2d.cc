#include "tensor/kernels/conv2d.h"

#include <vector>

#include "tensor/kernels/conv2d_depthwise.h"
#include "tensor/kernels/conv2d_gather.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

void run(const ConvGather& gather, const Conv2dShape& s) {
    if (is_depthwise(s)) return conv2d_gather_depthwise(gather);
    conv2d_gather(gather);
}

// w [O, KH, KW, C / groups]
int64_t kernel_offset(const Conv2dShape& s, int64_t kh, int64_t kw) {
    return (kh * s.kw + kw) * s.group_in();
}

void conv2d_forward_cpu(const float* x, const float* w, const float* bias, float* y,
                        const Conv2dShape& s) {
    ConvGather g{.in = x,
                 .out = y,
                 .w = w,
                 .bias = bias,
                 .n = s.n,
                 .groups = s.attrs.groups,
                 .channels = s.group_in(),
                 .outs = s.group_out(),
                 .in_h = s.h,
                 .in_w = s.w,
                 .out_h = s.oh,
                 .out_w = s.ow,
                 .grid_h = s.oh,
                 .grid_w = s.ow,
                 .in_step_h = s.attrs.stride_h,
                 .in_step_w = s.attrs.stride_w,
                 .out_step_h = 1,
                 .out_step_w = 1,
                 .out_first_h = 0,
                 .out_first_w = 0,
                 .w_group_stride = s.group_out() * s.k(),
                 .w_channel_stride = 1,
                 .w_out_stride = s.k(),
                 .taps = {}};
    for (int64_t kh = 0; kh < s.kh; ++kh) {
        for (int64_t kw = 0; kw < s.kw; ++kw) {
            g.taps.push_back(
                {kh - s.attrs.pad_top, kw - s.attrs.pad_left, kernel_offset(s, kh, kw)});
        }
    }
    run(g, s);
}

// The taps for input pixels of one phase: ih + pad - kh must be a multiple of the stride.
std::vector<ConvTap> phase_taps(const Conv2dShape& s, int64_t phase_h, int64_t phase_w) {
    std::vector<ConvTap> taps;
    for (int64_t kh = 0; kh < s.kh; ++kh) {
        for (int64_t kw = 0; kw < s.kw; ++kw) {
            const int64_t dh = phase_h + s.attrs.pad_top - kh;
            const int64_t dw = phase_w + s.attrs.pad_left - kw;
            if (dh % s.attrs.stride_h != 0 || dw % s.attrs.stride_w != 0) continue;
            taps.push_back(
                {dh / s.attrs.stride_h, dw / s.attrs.stride_w, kernel_offset(s, kh, kw)});
        }
    }
    return taps;
}

void conv2d_backward_input_cpu(const float* dy, const float* w, float* dx, const Conv2dShape& s) {
    const int64_t step_h = s.attrs.stride_h, step_w = s.attrs.stride_w;
    for (int64_t h = 0; h < std::min(step_h, s.h); ++h) {
        for (int64_t v = 0; v < std::min(step_w, s.w); ++v) {
            run({.in = dy,
                 .out = dx,
                 .w = w,
                 .bias = nullptr,
                 .n = s.n,
                 .groups = s.attrs.groups,
                 .channels = s.group_out(),
                 .outs = s.group_in(),
                 .in_h = s.oh,
                 .in_w = s.ow,
                 .out_h = s.h,
                 .out_w = s.w,
                 .grid_h = (s.h - h + step_h - 1) / step_h,
                 .grid_w = (s.w - v + step_w - 1) / step_w,
                 .in_step_h = 1,
                 .in_step_w = 1,
                 .out_step_h = step_h,
                 .out_step_w = step_w,
                 .out_first_h = h,
                 .out_first_w = v,
                 .w_group_stride = s.group_out() * s.k(),
                 .w_channel_stride = s.k(),
                 .w_out_stride = 1,
                 .taps = phase_taps(s, h, v)},
                s);
        }
    }
}

void conv2d_backward_bias_cpu(const float* dy, float* dbias, int64_t rows, int64_t o) {
    const int64_t chunk_rows = 512, chunks = (rows + chunk_rows - 1) / chunk_rows;
    std::vector<float> parts(chunks * o);
    parallel_tasks(chunks, [&](int64_t chunk) {
        const int64_t first = chunk * chunk_rows;
        conv2d_backward_bias_readable(dy + first * o, parts.data() + chunk * o,
                                      std::min(chunk_rows, rows - first), o);
    });
    conv2d_backward_bias_readable(parts.data(), dbias, chunks, o);
}

}  // namespace

constinit Kernel<void(const float*, const float*, const float*, float*, const Conv2dShape&)>
    conv2d_forward{"conv2d_forward", conv2d_forward_cpu};
constinit Kernel<void(const float*, const float*, float*, const Conv2dShape&)>
    conv2d_backward_input{"conv2d_backward_input", conv2d_backward_input_cpu};
constinit Kernel<void(const float*, float*, int64_t, int64_t)> conv2d_backward_bias{
    "conv2d_backward_bias", conv2d_backward_bias_cpu};

}  // namespace gradus
