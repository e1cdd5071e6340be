// conv2d_gather -- the sum shared by the forward pass and the input's gradient.
//
//   out[n, qh out_step + out_first, qw ..., o] =
//       bias[o] + sum over taps, c of in[n, qh in_step + dh, qw in_step + dw, c] w[tap, c, o]
//
// Forward gathers x around each output pixel. The input's gradient gathers dy around each input
// pixel; with stride s the input pixels fall into s x s phases that see different taps of the
// filter, and each phase is a separate gathering. Pixels are read in place: only the weights are
// copied.
#pragma once

#include <cstdint>
#include <vector>

namespace gradus {

struct ConvTap {
    int64_t dh, dw;
    int64_t w_offset;  // of this kernel position in w
};

struct ConvGather {
    const float* in;    // [n, in_h, in_w, groups * channels]
    float* out;         // [n, out_h, out_w, groups * outs]
    const float* w;     // element (group, tap, c, o) at the sum of its strides and w_offset
    const float* bias;  // [groups * outs] or nullptr
    int64_t n, groups, channels, outs;
    int64_t in_h, in_w, out_h, out_w;
    int64_t grid_h, grid_w;  // extents of (qh, qw)
    int64_t in_step_h, in_step_w, out_step_h, out_step_w;
    int64_t out_first_h, out_first_w;
    int64_t w_group_stride, w_channel_stride, w_out_stride;
    std::vector<ConvTap> taps;  // none: out = bias
};

void conv2d_gather(const ConvGather& gather);

}  // namespace gradus
