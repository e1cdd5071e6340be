#include "autograd/ops/convolution.h"

namespace gradus {

Variable linear(const Variable& x, const Variable& w, const Variable& bias,
                CodesOutput codes_output, AccumulatorPolicy policy) {
    const Shape xs = x.shape(), ws = w.shape();
    check(xs.rank() == 2 && ws.rank() == 2 && xs[1] == ws[1],
          "linear: needs x [N, C] and w [O, C], got ", xs, " and ", ws);
    const Conv2dShape shape =
        conv2d_shape("linear", {xs[0], 1, 1, xs[1]}, {ws[0], 1, 1, ws[1]}, Conv2dAttrs{});
    return convolution("linear", x, w, bias, shape, {xs[0], ws[0]}, codes_output, policy);
}

}  // namespace gradus
