// conv2d_cases -- convolutions that cover every path: kernels, strides, one-sided padding, groups,
// depthwise, tails of rows and channels.
#pragma once

#include <ostream>
#include <vector>

#include "tensor/kernels/conv2d_shape.h"

namespace gradus {

struct ConvCase {
    Shape x, w;
    Conv2dAttrs attrs;
    Conv2dShape shape() const { return conv2d_shape("test", x, w, attrs); }
};

inline std::ostream& operator<<(std::ostream& out, const ConvCase& c) {
    return out << "x " << c.x << " w " << c.w << " stride " << c.attrs.stride_h << 'x'
               << c.attrs.stride_w << " pad " << c.attrs.pad_top << ' ' << c.attrs.pad_left << ' '
               << c.attrs.pad_bottom << ' ' << c.attrs.pad_right << " groups " << c.attrs.groups;
}

// Small enough for plain loops in double.
inline std::vector<ConvCase> small_conv_cases() {
    return {
        {{2, 5, 4, 3}, {4, 3, 3, 3}, {1, 1, 1, 1, 1, 1, 1}},  // the usual one
        {{2, 5, 6, 3}, {2, 3, 3, 3}, {2, 2, 1, 1, 1, 1, 1}},  // stride 2
        {{1, 4, 4, 5}, {3, 1, 1, 5}, {1, 1, 0, 0, 0, 0, 1}},  // 1x1
        {{2, 5, 5, 3}, {4, 1, 1, 3}, {2, 2, 0, 0, 0, 0, 1}},  // 1x1 stride 2: rows without gradient
        {{1, 6, 5, 2}, {3, 2, 3, 2}, {2, 1, 0, 2, 1, 0, 1}},  // one-sided padding
        {{2, 4, 4, 6}, {4, 3, 3, 3}, {1, 1, 1, 1, 1, 1, 2}},  // groups
        {{2, 5, 5, 4}, {4, 3, 3, 1}, {1, 1, 1, 1, 1, 1, 4}},  // depthwise
        {{1, 5, 5, 3}, {3, 3, 3, 1}, {2, 2, 0, 0, 1, 1, 3}},  // depthwise, stride 2
        {{1, 5, 5, 2}, {4, 3, 3, 1}, {1, 1, 1, 1, 1, 1, 2}},  // two filters for each channel
        {{1, 3, 3, 2}, {3, 1, 1, 2}, {1, 1, 1, 1, 1, 1, 1}},  // windows that read only padding
        {{1, 3, 2, 2},
         {2, 2, 2, 2},
         {3, 3, 3, 3, 3, 3, 1}},  // padding and stride beyond the kernel
        {{1, 4, 7, 2}, {2, 2, 3, 2}, {3, 4, 0, 0, 0, 0, 1}},  // stride beyond the kernel
    };
}

// Wide enough for whole vectors and blocks, and for their tails.
inline std::vector<ConvCase> wide_conv_cases() {
    return {
        {{3, 9, 7, 16}, {33, 3, 3, 16}, {1, 1, 1, 1, 1, 1, 1}},
        {{2, 8, 8, 64}, {64, 3, 3, 64}, {1, 1, 1, 1, 1, 1, 1}},
        {{2, 9, 9, 32}, {72, 3, 3, 32}, {2, 2, 1, 1, 1, 1, 1}},
        {{5, 4, 4, 130}, {70, 1, 1, 130}, {1, 1, 0, 0, 0, 0, 1}},
        {{3, 8, 7, 40}, {96, 1, 1, 40}, {2, 2, 0, 0, 0, 0, 1}},
        {{2, 12, 12, 3}, {24, 7, 7, 3}, {2, 2, 3, 3, 3, 3, 1}},
        {{2, 14, 13, 1}, {16, 3, 3, 1}, {1, 1, 1, 1, 1, 1, 1}},
        {{2, 7, 7, 32}, {48, 3, 3, 8}, {1, 1, 1, 1, 1, 1, 4}},
        {{2, 9, 9, 40}, {40, 3, 3, 1}, {1, 1, 1, 1, 1, 1, 40}},
        {{2, 9, 8, 24}, {24, 5, 5, 1}, {2, 2, 2, 2, 1, 2, 24}},
        {{7, 1, 1, 75}, {10, 1, 1, 75}, {1, 1, 0, 0, 0, 0, 1}},
        {{2, 3, 5, 20}, {17, 2, 4, 20}, {1, 2, 1, 0, 0, 3, 1}},
        {{40, 6, 6, 8}, {8, 3, 3, 8}, {1, 1, 1, 1, 1, 1, 1}},
        {{1, 4, 5, 136}, {64, 3, 3, 136}, {1, 1, 1, 1, 1, 1, 1}},  // sums in several runs
    };
}

}  // namespace gradus
