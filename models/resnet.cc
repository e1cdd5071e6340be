#include "models/resnet.h"

#include "models/conv_layers.h"
#include "tensor/check.h"

namespace gradus {

namespace {

int stem(GraphBuilder& g, const ModelOptions& options, const ResNet& shape) {
    std::string kind = resolve_stem(options.stem, options.sample_shape);
    if (kind == "imagenet") kind = shape.published_stem;
    const int64_t in = options.sample_shape[2], out = shape.width;
    if (kind == "imagenet") {
        const int x =
            conv_layers(g, g.input(), in, {{"conv1", "bn1", "relu", out, 7, square_conv(2, 3)}});
        return g.max_pool2d("maxpool", x, square_pool(3, 2, 1));
    }
    const Conv2dAttrs attrs = square_conv(kind == "half" ? 2 : 1, 1);
    return conv_layers(g, g.input(), in, {{"conv1", "bn1", "relu", out, 3, attrs}});
}

std::vector<ConvLayer> branch(const std::string& name, ResidualBlock block, int64_t width,
                              int64_t stride) {
    const auto layer = [&](int i, int64_t out, int64_t kernel, int64_t s, bool activated) {
        return ConvLayer{join(name, ".conv", i),
                         join(name, ".bn", i),
                         activated ? join(name, ".relu", i) : "",
                         out,
                         kernel,
                         square_conv(s, kernel / 2)};
    };
    if (block == ResidualBlock::basic) {
        return {layer(1, width, 3, stride, true), layer(2, width, 3, 1, false)};
    }
    return {layer(1, width, 1, 1, true), layer(2, width, 3, stride, true),
            layer(3, 4 * width, 1, 1, false)};
}

int residual_block(GraphBuilder& g, const std::string& name, int x, int64_t in, int64_t stride,
                   const std::vector<ConvLayer>& layers) {
    const int64_t out = layers.back().out;
    const int y = conv_layers(g, x, in, layers);
    if (stride != 1 || in != out) {
        x = conv_layers(
            g, x, in,
            {{name + ".downsample.0", name + ".downsample.1", "", out, 1, square_conv(stride, 0)}});
    }
    return g.relu(join(name, ".relu", layers.size()), g.add(name + ".add", y, x));
}

Graph build(const ResNet& shape, const ModelOptions& options, const Rng& rng) {
    GraphBuilder g(options.sample_shape, rng);
    int x = stem(g, options, shape);
    int64_t in = shape.width;
    for (size_t stage = 0; stage < shape.depths.size(); ++stage) {
        for (int block = 0; block < shape.depths[stage]; ++block) {
            const std::string name = join("layer", stage + 1, '.', block);
            const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
            const auto layers = branch(name, shape.block, shape.width << stage, stride);
            x = residual_block(g, name, x, in, stride, layers);
            in = layers.back().out;
        }
    }
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, in, options.num_classes));
}

}  // namespace

BuildModel resnet(const ResNet& shape) {
    return
        [shape](const ModelOptions& options, const Rng& rng) { return build(shape, options, rng); };
}

}  // namespace gradus
