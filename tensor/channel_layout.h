// channel_layout -- an array seen as [outer, channels, inner] around the axis of its scales.
#pragma once

#include <cstdint>

#include "tensor/shape.h"

namespace gradus {

struct ChannelLayout {
    int64_t outer = 1, channels = 1, inner = 1;

    int64_t numel() const { return outer * channels * inner; }
    // Elements that share one scale.
    int64_t per_channel() const { return outer * inner; }
};

// axis < 0: one channel.
inline ChannelLayout channel_layout(const Shape& shape, int axis) {
    ChannelLayout layout;
    if (axis < 0) {
        layout.inner = shape.numel();
        return layout;
    }
    layout.channels = shape[axis];
    for (int i = 0; i < axis; ++i) layout.outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) layout.inner *= shape[i];
    return layout;
}

}  // namespace gradus
