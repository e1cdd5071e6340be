// reductions -- the strides of a network; a stem for small images leaves out the first ones.
//
// A network for ImageNet halves the image five times. `imagenet` keeps all five, `half` leaves out
// the first and `small` the first two: the last stage sees 1/32, 1/16 or 1/8 of the image's sides.
// Filters keep their shapes, so weights of one stem work with the others. (ResNet's stems have the
// same names, but change the first convolution and the max pool: models/resnet.h.)
#pragma once

#include "models/models.h"

namespace gradus {

class Reductions {
  public:
    // An unknown stem is a usage error.
    explicit Reductions(const ModelOptions& options) {
        const std::string stem = resolve_stem(options.stem, options.sample_shape);
        left_out_ = stem == "small" ? 2 : stem == "half" ? 1 : 0;
    }

    // The stride of the next layer, published as `stride`. Call it in the order of the layers.
    int64_t stride(int64_t stride) { return stride > 1 && left_out_-- > 0 ? 1 : stride; }

  private:
    int64_t left_out_;
};

}  // namespace gradus
