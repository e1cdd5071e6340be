#include "models/regnet.h"

#include <cmath>

#include "models/conv_layers.h"
#include "models/reductions.h"
#include "tensor/check.h"

namespace gradus {

namespace {

int residual_block(GraphBuilder& g, const std::string& name, int x, int64_t in, int64_t out,
                   int64_t stride, int64_t groups, bool projects) {
    const auto layer = [&](const std::string& part, const char* activation, int64_t kernel,
                           const Conv2dAttrs& attrs) {
        const std::string conv = name + part + ".0", norm = name + part + ".1";
        return ConvLayer{conv, norm, *activation ? name + activation : "", out, kernel, attrs};
    };
    const int y = conv_layers(g, x, in,
                              {layer(".f.a", ".f.a.2", 1, square_conv(1, 0)),
                               layer(".f.b", ".f.b.2", 3, square_conv(stride, 1, groups)),
                               layer(".f.c", "", 1, square_conv(1, 0))});
    if (projects) {
        x = conv_layers(g, x, in, {layer(".proj", "", 1, square_conv(stride, 0))});
    }
    return g.relu(name + ".activation", g.add(name + ".add", y, x));
}

Graph build(const RegNetX& shape, const ModelOptions& options, const Rng& rng) {
    GraphBuilder g(options.sample_shape, rng);
    Reductions reductions(options);
    int64_t in = 32;
    int x =
        conv_layers(g, g.input(), options.sample_shape[2],
                    {{"stem.0", "stem.1", "stem.2", in, 3, square_conv(reductions.stride(2), 1)}});
    for (size_t stage = 0; stage < shape.widths.size(); ++stage) {
        const std::string name = join("block", stage + 1);
        const int64_t out = shape.widths[stage];
        for (int64_t i = 0; i < shape.depths[stage]; ++i) {
            const int64_t stride = i == 0 ? reductions.stride(2) : 1;
            x = residual_block(g, join("trunk_output.", name, '.', name, '-', i), x, in, out,
                               stride, out / shape.group_width, i == 0);
            in = out;
        }
    }
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, in, options.num_classes, 0.01 * std::sqrt(3.0)));
}

}  // namespace

BuildModel regnet_x(const RegNetX& shape) {
    return
        [shape](const ModelOptions& options, const Rng& rng) { return build(shape, options, rng); };
}

}  // namespace gradus
