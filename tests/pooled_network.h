// A network with average pools of windows between its convolutions, and windows to try.
#pragma once

#include "nn/builder.h"

namespace gradus {

// Windows averaged after an activation, and after none, where the zero point is free.
inline Graph pooled_network(const PoolAttrs& attrs) {
    GraphBuilder g({12, 12, 1}, Rng(5));
    const auto layer = [&](const std::string& n, int x, int64_t in) {
        return g.batch_norm("bn" + n, g.conv2d("conv" + n, x, in, 8, 3, square_conv(1, 1)), 8);
    };
    int x = g.relu("relu1", layer("1", g.input(), 1));
    x = g.average_pool2d("pool1", x, attrs);
    x = g.average_pool2d("pool2", layer("2", x, 8), attrs);
    x = g.relu("relu3", layer("3", x, 8));
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, 8, 5));
}

inline const PoolAttrs pool_windows[] = {{2, 2, 2, 2, 0, 0, 0, 0, true},
                                         {3, 3, 2, 2, 1, 1, 1, 1, true},
                                         {3, 3, 1, 1, 1, 1, 1, 1, false},
                                         {2, 3, 1, 2, 1, 0, 0, 2, false}};

}  // namespace gradus
