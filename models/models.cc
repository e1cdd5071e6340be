#include "models/models.h"

#include <algorithm>

#include "models/efficientnet_lite.h"
#include "models/mobilenet_v2.h"
#include "models/regnet.h"
#include "models/resnet.h"
#include "tensor/find_row.h"

namespace gradus {

const std::vector<Model>& models() {
    using enum ResidualBlock;
    static const std::vector<Model> rows{
        {"resnet18", "ResNet-18 (He et al., 1512.03385)", resnet({basic, {2, 2, 2, 2}})},
        {"resnet34", "ResNet-34 (He et al., 1512.03385)", resnet({basic, {3, 4, 6, 3}})},
        {"resnet50", "ResNet-50, stride on the 3x3 (He et al., 1512.03385; torchvision)",
         resnet({bottleneck, {3, 4, 6, 3}})},
        {"resnet20",
         "ResNet-20 for small images, projection shortcuts (He et al., 1512.03385, 4.2)",
         resnet({basic, {3, 3, 3}, 16, "small"})},
        {"mobilenet_v2", "MobileNetV2, any --width-mult (Sandler et al., 1801.04381)", mobilenet_v2,
         true, true},
        {"efficientnet_lite0", "EfficientNet-Lite0, for 224 pixels (1905.11946; TensorFlow's tpu)",
         efficientnet_lite({1.0, 1.0, 0.2}), true},
        {"efficientnet_lite1", "EfficientNet-Lite1, for 240 pixels",
         efficientnet_lite({1.0, 1.1, 0.2}), true},
        {"efficientnet_lite2", "EfficientNet-Lite2, for 260 pixels",
         efficientnet_lite({1.1, 1.2, 0.3}), true},
        {"efficientnet_lite3", "EfficientNet-Lite3, for 280 pixels",
         efficientnet_lite({1.2, 1.4, 0.3}), true},
        {"efficientnet_lite4", "EfficientNet-Lite4, for 300 pixels",
         efficientnet_lite({1.4, 1.8, 0.3}), true},
        {"regnetx_400mf", "RegNetX-400MF (Radosavovic et al., 2003.13678)",
         regnet_x({{32, 64, 160, 384}, {1, 2, 7, 12}, 16})},
        {"regnetx_400mf_tv", "torchvision's RegNetX-400MF, whose last stage is 400 wide",
         regnet_x({{32, 64, 160, 400}, {1, 2, 7, 12}, 16})},
        {"regnetx_600mf", "RegNetX-600MF (Radosavovic et al., 2003.13678)",
         regnet_x({{48, 96, 240, 528}, {1, 3, 5, 7}, 24})},
        {"regnetx_800mf", "RegNetX-800MF (Radosavovic et al., 2003.13678)",
         regnet_x({{64, 128, 288, 672}, {1, 3, 7, 5}, 16})},
    };
    return rows;
}

const Model& find_model(const std::string& name) {
    return find_row(models(), "model", name);
}

Graph build_model(const std::string& name, const ModelOptions& options, const Rng& rng) {
    const Model& model = find_model(name);
    check_kind(model.scales_width || options.width_mult == 1.0, ErrorKind::usage, "--width-mult ",
               options.width_mult, ": ", name, " has one width; drop --width-mult");
    return model.build(options, rng);
}

const std::vector<std::string>& stems() {
    static const std::vector<std::string> names{"auto", "imagenet", "small", "half"};
    return names;
}

std::string resolve_stem(const std::string& stem, const Shape& sample_shape) {
    if (stem == "auto")
        return std::max(sample_shape[0], sample_shape[1]) <= 40 ? "half" : "imagenet";
    check_kind(std::count(stems().begin(), stems().end(), stem) == 1, ErrorKind::usage,
               "no stem is called ", stem, "; there are: imagenet half small auto");
    return stem;
}

}  // namespace gradus
