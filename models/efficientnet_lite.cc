#include "models/efficientnet_lite.h"

#include <cmath>
#include <iterator>

#include "models/inverted_residual.h"
#include "models/reductions.h"

namespace gradus {

namespace {

// 1905.11946, table 1: k, then t, c, n, s as in MobileNetV2's table.
struct Stage {
    int64_t kernel, expansion, channels, depth, stride;
};
constexpr Stage kStages[] = {{3, 1, 16, 1, 1}, {3, 6, 24, 2, 2},  {5, 6, 40, 2, 2},
                             {3, 6, 80, 3, 2}, {5, 6, 112, 3, 1}, {5, 6, 192, 4, 2},
                             {3, 6, 320, 1, 1}};
constexpr int64_t kLastStage = std::size(kStages) - 1;
constexpr LayerStyle kStyle{.relu6 = true, .eps = 1e-3f, .fan_out = FanOut::one_group};

// Tracks the image extents at the next layer; SAME padding depends on them.
class SameConv {
  public:
    explicit SameConv(const Shape& sample) : h_(sample[0]), w_(sample[1]) {}

    Conv2dAttrs next(int64_t kernel, int64_t stride, int64_t groups = 1) {
        const Conv2dAttrs attrs = same_conv(h_, w_, kernel, stride, groups);
        h_ = (h_ + stride - 1) / stride;
        w_ = (w_ + stride - 1) / stride;
        return attrs;
    }

  private:
    int64_t h_, w_;
};

std::vector<LayerNames> block_names(const std::string& block, bool expands) {
    const auto names = [&](const char* conv, const char* norm) {
        return LayerNames{block + conv, block + norm};
    };
    if (!expands) return {names(".conv_dw", ".bn1"), names(".conv_pw", ".bn2")};
    return {names(".conv_pw", ".bn1"), names(".conv_dw", ".bn2"), names(".conv_pwl", ".bn3")};
}

int64_t depth_of(const EfficientNetLite& scale, int64_t stage) {
    const int64_t depth = kStages[stage].depth;
    if (stage == 0 || stage == kLastStage) return depth;
    return static_cast<int64_t>(std::ceil(scale.depth * static_cast<double>(depth)));
}

Graph build(const EfficientNetLite& scale, const ModelOptions& options, const Rng& rng) {
    GraphBuilder g(options.sample_shape, rng);
    Reductions reductions(options);
    SameConv same(options.sample_shape);
    int64_t in = 32;
    int x = conv_layers(
        g, g.input(), options.sample_shape[2],
        {{"conv_stem", "bn1", "bn1.act", in, 3, same.next(3, reductions.stride(2))}}, kStyle);
    for (int64_t s = 0; s <= kLastStage; ++s) {
        const Stage& stage = kStages[s];
        const int64_t out = round_channels(static_cast<double>(stage.channels) * scale.width);
        for (int64_t i = 0; i < depth_of(scale, s); ++i) {
            const std::string name = join("blocks.", s, '.', i);
            const int64_t hidden = in * stage.expansion;
            const int64_t stride = i == 0 ? reductions.stride(stage.stride) : 1;
            x = inverted_residual(
                g, x,
                {name + ".add", block_names(name, stage.expansion != 1), in, hidden, out,
                 stage.kernel, same.next(stage.kernel, stride, hidden)},
                kStyle);
            in = out;
        }
    }
    x = conv_layers(g, x, in, {{"conv_head", "bn2", "bn2.act", 1280, 1, square_conv(1, 0)}},
                    kStyle);
    x = g.flatten("flatten", g.global_average_pool("global_pool", x));
    x = g.dropout("dropout", x, options.dropout.value_or(scale.dropout));
    const double bound = 1.0 / std::sqrt(static_cast<double>(options.num_classes));
    return g.finish(g.linear("classifier", x, 1280, options.num_classes, bound));
}

}  // namespace

BuildModel efficientnet_lite(const EfficientNetLite& scale) {
    return
        [scale](const ModelOptions& options, const Rng& rng) { return build(scale, options, rng); };
}

}  // namespace gradus
