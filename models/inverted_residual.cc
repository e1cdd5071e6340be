#include "models/inverted_residual.h"

#include <algorithm>

namespace gradus {

int inverted_residual(GraphBuilder& g, int x, const InvertedResidual& b, const LayerStyle& style) {
    std::vector<ConvLayer> layers;
    const auto add = [&](int64_t out, int64_t kernel, const Conv2dAttrs& attrs) {
        const LayerNames& names = b.names.at(layers.size());
        const bool activated = layers.size() + 1 < b.names.size();
        layers.push_back(
            {names.conv, names.norm, activated ? names.norm + ".act" : "", out, kernel, attrs});
    };
    if (b.names.size() == 3) add(b.hidden, 1, square_conv(1, 0));
    add(b.hidden, b.kernel, b.depthwise);
    add(b.out, 1, square_conv(1, 0));
    const int y = conv_layers(g, x, b.in, layers, style);
    const bool identity = b.depthwise.stride_h == 1 && b.in == b.out;
    return identity ? g.add(b.sum, y, x) : y;
}

int64_t round_channels(double channels) {
    const int64_t nearest = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
    return static_cast<double>(nearest) < 0.9 * channels ? nearest + 8 : nearest;
}

}  // namespace gradus
