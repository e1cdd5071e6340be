// conv2d_depthwise -- convolutions with one filter for each channel. Vector lanes are channels;
// only the weights are worth packing.
#pragma once

#include "tensor/kernels/conv2d.h"
#include "tensor/kernels/conv2d_gather.h"

namespace gradus {

inline bool is_depthwise(const Conv2dShape& s) {
    return s.group_in() == 1 && s.group_out() == 1;
}

// conv2d_gather with channels = outs = 1.
void conv2d_gather_depthwise(const ConvGather& gather);

// dw = scale * sum (x + offset) dy; X is float, int8_t or uint8_t.
template <class X>
void conv2d_backward_weight_depthwise(const X* x, float offset, float scale, const float* dy,
                                      float* dw, const Conv2dShape& shape);

}  // namespace gradus
