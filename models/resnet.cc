#include "models/resnet.h"

#include <array>

#include "nn/builder.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// imagenet: 7x7 stride 2, max pool 3x3 stride 2. half: 3x3 stride 2. small: 3x3 stride 1.
int stem(GraphBuilder& g, const ModelOptions& options) {
    const std::string kind = resolve_stem(options.stem, options.sample_shape);
    const int64_t in = options.sample_shape[2];
    int x = -1;
    if (kind == "imagenet") {
        x = g.conv2d("conv1", g.input(), in, 64, 7, square_conv(2, 3));
    } else if (kind == "half" || kind == "small") {
        x = g.conv2d("conv1", g.input(), in, 64, 3, square_conv(kind == "half" ? 2 : 1, 1));
    } else {
        fail(ErrorKind::usage, "no stem is called ", kind, "; there are: imagenet small half auto");
    }
    x = g.relu("relu", g.batch_norm("bn1", x, 64));
    return kind == "imagenet" ? g.max_pool2d("maxpool", x, square_pool(3, 2, 1)) : x;
}

int basic_block(GraphBuilder& g, const std::string& name, int x, int64_t in, int64_t out,
                int64_t stride) {
    int y = g.conv2d(name + ".conv1", x, in, out, 3, square_conv(stride, 1));
    y = g.relu(name + ".relu1", g.batch_norm(name + ".bn1", y, out));
    y = g.conv2d(name + ".conv2", y, out, out, 3, square_conv(1, 1));
    y = g.batch_norm(name + ".bn2", y, out);
    int shortcut = x;
    if (stride != 1 || in != out) {
        shortcut = g.conv2d(name + ".downsample.0", x, in, out, 1, square_conv(stride, 0));
        shortcut = g.batch_norm(name + ".downsample.1", shortcut, out);
    }
    return g.relu(name + ".relu2", g.add(name + ".add", y, shortcut));
}

}  // namespace

Graph resnet18(const ModelOptions& options, const Rng& rng) {
    GraphBuilder g(options.sample_shape, rng);
    int x = stem(g, options);
    int64_t in = 64;
    constexpr std::array<int64_t, 4> widths{64, 128, 256, 512};
    for (size_t stage = 0; stage < widths.size(); ++stage) {
        for (int block = 0; block < 2; ++block) {
            const std::string name = join("layer", stage + 1, '.', block);
            x = basic_block(g, name, x, in, widths[stage], stage > 0 && block == 0 ? 2 : 1);
            in = widths[stage];
        }
    }
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, in, options.num_classes));
}

}  // namespace gradus
