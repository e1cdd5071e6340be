// im2col -- the windows of a convolution as the rows of a matrix, a block of rows at a time.
//
//   column[r, (kh, kw, c)] = x[n, ih, iw, first channel + c] + offset
//
// and `padding` next to the image. Codes become floats or wider integers on the way: with offset -z
// they lose their zero point, exactly.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "tensor/kernels/conv2d_shape.h"

namespace gradus {

// Scratch memory of one thread that only grows; each Tag has its own. 64 spare elements follow.
template <class T, class Tag>
T* thread_scratch(int64_t elements) {
    static thread_local std::vector<T> scratch;
    if (static_cast<int64_t>(scratch.size()) < elements + 64) scratch.resize(elements + 64);
    return scratch.data();
}

// A block of the matrix: rows [row, row + rows) of [N * OH * OW], kernel positions
// [position, position + positions) of KH * KW, channels [channel, channel + channels) of x.
struct Im2colBlock {
    int64_t row, rows;
    int64_t position, positions;
    int64_t channel, channels;
    int64_t columns() const { return positions * channels; }
};

// How elements are converted: see above.
template <class Out>
struct Im2colValues {
    Out offset;
    Out padding;
};

template <class In, class Out>
inline void im2col_run(const In* from, int64_t count, Out offset, Out* to) {
    if constexpr (std::is_same_v<In, Out> && std::is_integral_v<In>) {
        if (offset == 0) {
            std::memcpy(to, from, count * sizeof(Out));
            return;
        }
    }
    for (int64_t i = 0; i < count; ++i)
        to[i] = static_cast<Out>(static_cast<Out>(from[i]) + offset);
}

// Writes one row of the matrix; (n, oh, ow) is the output pixel.
template <class In, class Out>
inline void im2col_row(const In* x, const Conv2dShape& s, const Im2colBlock& block,
                       const Im2colValues<Out>& values, int64_t n, int64_t oh, int64_t ow,
                       Out* column) {
    const int64_t channels = block.channels, iw0 = ow * s.attrs.stride_w - s.attrs.pad_left;
    const int64_t end = block.position + block.positions;
    for (int64_t at = block.position; at < end;) {
        const int64_t kh = at / s.kw, first = at % s.kw, last = std::min(s.kw, first + end - at);
        at += last - first;
        const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + kh;
        const bool inside = ih >= 0 && ih < s.h;
        const int64_t low = inside ? std::clamp(-iw0, first, last) : last;
        const int64_t high = inside ? std::clamp(s.w - iw0, low, last) : last;
        std::fill_n(column, (low - first) * channels, values.padding);
        column += (low - first) * channels;
        const In* from = x + ((n * s.h + ih) * s.w + iw0 + low) * s.c + block.channel;
        const int64_t runs = channels == s.c ? std::min<int64_t>(1, high - low) : high - low;
        const int64_t run = channels == s.c ? (high - low) * channels : channels;
        for (int64_t i = 0; i < runs; ++i, from += s.c, column += run) {
            im2col_run(from, run, values.offset, column);
        }
        std::fill_n(column, (last - high) * channels, values.padding);
        column += (last - high) * channels;
    }
}

// The same for a single kernel position: a plain gather of pixels.
template <class In, class Out>
inline void im2col_pixel(const In* x, const Conv2dShape& s, const Im2colBlock& block,
                         const Im2colValues<Out>& values, int64_t n, int64_t oh, int64_t ow,
                         Out* column) {
    const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + block.position / s.kw;
    const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + block.position % s.kw;
    if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) {
        std::fill_n(column, block.channels, values.padding);
    } else {
        const In* from = x + ((n * s.h + ih) * s.w + iw) * s.c + block.channel;
        im2col_run(from, block.channels, values.offset, column);
    }
}

// `stride`: the distance in elements between rows of `column`.
template <class In, class Out>
void im2col(const In* x, const Conv2dShape& s, const Im2colBlock& block,
            const Im2colValues<Out>& values, Out* column, int64_t stride) {
    int64_t n = block.row / (s.oh * s.ow), oh = block.row / s.ow % s.oh, ow = block.row % s.ow;
    for (int64_t r = 0; r < block.rows; ++r, column += stride) {
        if (block.positions == 1) {
            im2col_pixel(x, s, block, values, n, oh, ow, column);
        } else {
            im2col_row(x, s, block, values, n, oh, ow, column);
        }
        if (++ow < s.ow) continue;
        ow = 0;
        if (++oh < s.oh) continue;
        oh = 0;
        ++n;
    }
}

}  // namespace gradus
