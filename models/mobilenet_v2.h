// mobilenet_v2 -- Sandler et al., 1801.04381, with torchvision's parameter names.
//
// stems  see models/reductions.h
// width  --width-mult times every channel count, rounded to 8; the last convolution keeps its 1280
//        below 1 (section 6.1)
// init   as torchvision: He et al.'s with fan out over all groups; the classifier's weights have
//        the standard deviation 0.01
#pragma once

#include "models/models.h"

namespace gradus {

Graph mobilenet_v2(const ModelOptions& options, const Rng& rng);

}  // namespace gradus
