#include "models/mobilenet_v2.h"

#include <algorithm>
#include <cmath>

#include "models/inverted_residual.h"
#include "models/reductions.h"

namespace gradus {

namespace {

// 1801.04381, table 2: t, c, n, s.
struct Stage {
    int64_t expansion, channels, depth, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
constexpr LayerStyle kStyle{.relu6 = true};

std::vector<LayerNames> block_names(const std::string& block, bool expands) {
    const std::string conv = block + ".conv.";
    if (!expands) return {{conv + "0.0", conv + "0.1"}, {conv + "1", conv + "2"}};
    return {{conv + "0.0", conv + "0.1"}, {conv + "1.0", conv + "1.1"}, {conv + "2", conv + "3"}};
}

}  // namespace

Graph mobilenet_v2(const ModelOptions& options, const Rng& rng) {
    GraphBuilder g(options.sample_shape, rng);
    Reductions reductions(options);
    int64_t in = round_channels(32 * options.width_mult);
    int x = conv_layers(g, g.input(), options.sample_shape[2],
                        {{"features.0.0", "features.0.1", "features.0.1.act", in, 3,
                          square_conv(reductions.stride(2), 1)}},
                        kStyle);
    int index = 1;
    for (const Stage& stage : kStages) {
        const int64_t out =
            round_channels(static_cast<double>(stage.channels) * options.width_mult);
        for (int64_t i = 0; i < stage.depth; ++i) {
            const std::string name = join("features.", index++);
            const int64_t hidden = in * stage.expansion;
            const int64_t stride = i == 0 ? reductions.stride(stage.stride) : 1;
            x = inverted_residual(g, x,
                                  {name + ".add", block_names(name, stage.expansion != 1), in,
                                   hidden, out, 3, square_conv(stride, 1, hidden)},
                                  kStyle);
            in = out;
        }
    }
    const int64_t last = round_channels(1280 * std::max(1.0, options.width_mult));
    x = conv_layers(
        g, x, in,
        {{"features.18.0", "features.18.1", "features.18.1.act", last, 1, square_conv(1, 0)}},
        kStyle);
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    x = g.dropout("classifier.0", x, options.dropout.value_or(0.2));
    return g.finish(g.linear("classifier.1", x, last, options.num_classes, 0.01 * std::sqrt(3.0)));
}

}  // namespace gradus
