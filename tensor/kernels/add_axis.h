// add_axis -- y = x + b[c] along one axis
// shapes    x [outer, channels, inner], b [channels] -> y [as x]                   dtype f32
// gradient  dx = dy, db = sum dy                                                   saves nothing
// exactness forward and dx exact; db: float over 32 rows and double beyond where the axis is the
//           last one, double elsewhere, relative error below 2e-6 of the sum of magnitudes
// tests     tests/add_axis_test.cc
#pragma once

#include <cstdint>

#include "tensor/channel_layout.h"
#include "tensor/kernel.h"

namespace gradus {

// The specification.
template <class T>
void add_axis_forward_readable(const ChannelLayout& shape, const T* x, const T* b, T* y) {
    for (int64_t i = 0; i < shape.numel(); ++i) {
        y[i] = x[i] + b[i / shape.inner % shape.channels];
    }
}

// dx is dy.
template <class T>
void add_axis_backward_readable(const ChannelLayout& shape, const T* dy, T* db) {
    for (int64_t c = 0; c < shape.channels; ++c) db[c] = 0;
    for (int64_t i = 0; i < shape.numel(); ++i) db[i / shape.inner % shape.channels] += dy[i];
}

extern Kernel<void(const ChannelLayout& shape, const float* x, const float* b, float* y)>
    add_axis_forward;
extern Kernel<void(const ChannelLayout& shape, const float* dy, float* db)> add_axis_backward;

}  // namespace gradus
