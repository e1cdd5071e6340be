#include "tensor/kernels/conv2d_shape.h"

#include "tensor/check.h"

namespace gradus {

namespace {

int64_t output_extent(const char* where, int64_t extent, int64_t pad, int64_t kernel,
                      int64_t stride) {
    check(kernel >= 1 && stride >= 1 && pad >= 0, where,
          ": kernel and stride must be at least 1 and padding at least 0");
    check(extent + pad >= kernel, where, ": a window of ", kernel, " does not fit into ", extent,
          " + ", pad, " padded pixels; use a larger --image-size or another --stem");
    return (extent + pad - kernel) / stride + 1;
}

}  // namespace

Conv2dShape conv2d_shape(const char* where, const Shape& x, const Shape& w,
                         const Conv2dAttrs& attrs) {
    check(x.rank() == 4 && w.rank() == 4, where,
          ": needs x [N, H, W, C] and w [O, KH, KW, I], got ", x, " and ", w);
    check(attrs.groups >= 1 && x[3] % attrs.groups == 0 && w[0] % attrs.groups == 0, where,
          ": input and output channels must be multiples of groups; got ", x, ", ", w, ", groups ",
          attrs.groups);
    check(x[3] == w[3] * attrs.groups, where,
          ": input channels must equal weight channels * groups; got ", x, ", ", w, ", groups ",
          attrs.groups);
    const int64_t oh =
        output_extent(where, x[1], attrs.pad_top + attrs.pad_bottom, w[1], attrs.stride_h);
    const int64_t ow =
        output_extent(where, x[2], attrs.pad_left + attrs.pad_right, w[2], attrs.stride_w);
    return {x[0], x[1], x[2], x[3], w[0], w[1], w[2], oh, ow, attrs};
}

PoolShape pool_shape(const char* where, const Shape& x, const PoolAttrs& a) {
    check(x.rank() == 4, where, ": needs x [N, H, W, C], got ", x);
    check(a.pad_top < a.kernel_h && a.pad_bottom < a.kernel_h && a.pad_left < a.kernel_w &&
              a.pad_right < a.kernel_w,
          where, ": padding must be smaller than the window");
    const int64_t oh = output_extent(where, x[1], a.pad_top + a.pad_bottom, a.kernel_h, a.stride_h);
    const int64_t ow = output_extent(where, x[2], a.pad_left + a.pad_right, a.kernel_w, a.stride_w);
    return {x[0], x[1], x[2], x[3], oh, ow, a};
}

}  // namespace gradus
