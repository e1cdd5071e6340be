#include "models/conv_layers.h"

namespace gradus {

int conv_layers(GraphBuilder& g, int x, int64_t in, const std::vector<ConvLayer>& layers,
                const LayerStyle& style) {
    for (const ConvLayer& layer : layers) {
        x = g.conv2d(layer.conv, x, in, layer.out, layer.kernel, layer.attrs, style.fan_out);
        x = g.batch_norm(layer.norm, x, layer.out, style.eps);
        in = layer.out;
        if (layer.activation.empty()) continue;
        x = style.relu6 ? g.relu6(layer.activation, x) : g.relu(layer.activation, x);
    }
    return x;
}

}  // namespace gradus
