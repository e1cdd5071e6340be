// map_channels -- the loop of CPU kernels over elements with a scale and zero point per channel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/channel_layout.h"

namespace gradus {

namespace detail {

// `value` is a copy: through a reference, the bytes that are written could be its own.

// Elements of one channel: its scale stays in a register.
template <class Value, class Out>
void map_row(int64_t first, int64_t n, float s, int32_t z, Value value, Out* __restrict out) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(value(first + i, s, z));
}

// Each element belongs to the next channel: reads scales along with them.
template <class Value, class Out>
void map_neighbours(int64_t first, int64_t n, const float* s, const int32_t* z, Value value,
                    Out* __restrict out) {
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(value(first + i, s[i], z[i]));
}

}  // namespace detail

// out[i - begin] = value(i, s, z) for i in [begin, end), s and z being the scale and zero point of
// element i's channel.
template <class Value, class Out>
void map_channels(const ChannelLayout& layout, const float* scale, const int32_t* zero_point,
                  int64_t begin, int64_t end, const Value& value, Out* out) {
    const bool one = layout.channels == 1, last = layout.inner == 1;
    const int64_t row = one ? layout.numel() : last ? layout.channels : layout.inner;
    for (int64_t i = begin; i < end;) {
        const int64_t n = std::min(end, (i / row + 1) * row) - i;
        const int64_t c = last ? i % layout.channels : i / layout.inner % layout.channels;
        if (last && !one) {
            detail::map_neighbours(i, n, scale + c, zero_point + c, value, out + (i - begin));
        } else {
            detail::map_row(i, n, scale[c], zero_point[c], value, out + (i - begin));
        }
        i += n;
    }
}

}  // namespace gradus
