// resnet -- residual networks of basic blocks, with torchvision's parameter names.
#pragma once

#include "models/models.h"

namespace gradus {

// 11,689,512 parameters with the imagenet stem, 3 input channels and 1000 classes.
Graph resnet18(const ModelOptions& options, const Rng& rng);

}  // namespace gradus
