// conv2d_shape -- the extents of a 2-D convolution, shared by its float and integer kernels.
//
// x [N, H, W, C]   w [O, KH, KW, C / groups]   y [N, OH, OW, O]
#pragma once

#include <cstdint>

#include "tensor/shape.h"

namespace gradus {

struct Conv2dAttrs {
    int64_t stride_h = 1, stride_w = 1;
    int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
    int64_t groups = 1;
};

struct Conv2dShape {
    int64_t n, h, w, c;  // input
    int64_t o, kh, kw;   // filters; each reads c / groups channels
    int64_t oh, ow;      // output
    Conv2dAttrs attrs;

    int64_t group_in() const { return c / attrs.groups; }
    int64_t group_out() const { return o / attrs.groups; }
    // Length of one dot product.
    int64_t k() const { return kh * kw * group_in(); }
    Shape output() const { return {n, oh, ow, o}; }
};

// Checks x [N, H, W, C] against w [O, KH, KW, C / groups]; one-line errors that name `where`.
Conv2dShape conv2d_shape(const char* where, const Shape& x, const Shape& w,
                         const Conv2dAttrs& attrs);

// Pooling windows: kernel, stride and per-side padding.
struct PoolAttrs {
    int64_t kernel_h = 1, kernel_w = 1;
    int64_t stride_h = 1, stride_w = 1;
    int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
    bool count_include_pad = true;  // average pooling only
};

struct PoolShape {
    int64_t n, h, w, c, oh, ow;
    PoolAttrs attrs;
    Shape output() const { return {n, oh, ow, c}; }
};

PoolShape pool_shape(const char* where, const Shape& x, const PoolAttrs& attrs);

}  // namespace gradus
