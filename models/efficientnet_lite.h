// efficientnet_lite -- EfficientNet-Lite0 to 4: EfficientNet (Tan and Le, 1905.11946, table 1)
// without squeeze-and-excitation, with ReLU6, stem, head, first and last stage unscaled
// (TensorFlow's tpu repository, models/official/efficientnet/lite).
//
// names    timm's (conv_stem, bn1, blocks.S.B.conv_pw ...)
// padding  TensorFlow's SAME: one pixel more below and at the right where the sum is odd
// norm     eps 1e-3; momentum 0.1 as elsewhere here, where TensorFlow's recipe has 0.01
// stems    see models/reductions.h
// dropout  before the classifier, 0.2 (Lite0 and 1) or 0.3. Drop-connect, a part of TensorFlow's
//          training recipe, is left out.
// init     as TensorFlow: He et al.'s with the fan out of one group; the classifier uniform in
//          +-1/sqrt(classes), biases 0
#pragma once

#include "models/models.h"

namespace gradus {

struct EfficientNetLite {
    double width, depth;  // factors of channels and blocks
    double dropout;
};

BuildModel efficientnet_lite(const EfficientNetLite& scale);

}  // namespace gradus
