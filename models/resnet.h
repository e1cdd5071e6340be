// resnet -- residual networks, He et al., 1512.03385, with torchvision's parameter names.
//
// stems      imagenet: 7x7 stride 2, max pool 3x3 stride 2. half: 3x3 stride 2. small: 3x3
//            stride 1. A network for small images (section 4.2) is published with `small`, which
//            `imagenet` then means.
// shortcuts  1x1 projections where the shape changes, else the identity: option B, also where
//            section 4.2 pads with zeros (option A); ResNet-20 has 2,752 parameters more for it
// init       He et al.'s with fan out; every gamma 1 (torchvision's zero_init_residual=False)
#pragma once

#include "models/models.h"

namespace gradus {

// basic: two 3x3. bottleneck: 1x1, 3x3 with the stride (torchvision's "v1.5"), 1x1 to 4 times the
// width.
enum class ResidualBlock { basic, bottleneck };

struct ResNet {
    ResidualBlock block;
    std::vector<int64_t> depths;  // blocks of each stage; each stage doubles the width
    int64_t width = 64;
    const char* published_stem = "imagenet";
};

BuildModel resnet(const ResNet& shape);

}  // namespace gradus
