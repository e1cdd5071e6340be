// synthetic -- drawn images of ten shapes, for a machine without data.
//
// An image is a pure function of (split, index): integers and Philox only, so it is the same
// everywhere. One shape is drawn at a random place, size and brightness, over a random shade, among
// specks and noise; the brightness of shape and ground overlap and either may be the lighter one,
// so single pixels carry little information: a linear classifier is far worse than a small network.
#pragma once

#include "data/dataset.h"

namespace gradus {

struct SyntheticOptions {
    bool train = true;  // the training or the test images
    int64_t size = 12000;
    int64_t image_size = 28;  // height and width, 8 to 1024
    int64_t channels = 1;     // 1 to 4
};

DatasetPtr make_synthetic(const SyntheticOptions& options);

}  // namespace gradus
