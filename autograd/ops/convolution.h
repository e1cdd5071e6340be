// convolution -- shared by conv2d and linear: linear is a 1x1 convolution on [N, 1, 1, C].
#pragma once

#include "autograd/ops.h"

namespace gradus {

// y [y_shape] of x and w seen under `shape`; gradients take the shapes of x, w and bias.
Variable convolution(const char* op, const Variable& x, const Variable& w, const Variable& bias,
                     const Conv2dShape& shape, const Shape& y_shape, CodesOutput codes_output,
                     AccumulatorPolicy policy);

}  // namespace gradus
