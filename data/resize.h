// resize -- a data set seen at another image size.
//
// Bilinear with antialiasing: a triangle filter over half-pixel centres, as wide as a source pixel
// or, when shrinking, as a target pixel. Weights are integers, the quotient is rounded half up
// once: exact, the same everywhere.
#pragma once

#include "data/dataset.h"

namespace gradus {

// Every image at size x size; the data set itself if it has that size already.
DatasetPtr resize_images(DatasetPtr dataset, int64_t size);

// from [from_shape: H, W, C] to [size, size, C].
void resize(const Shape& from_shape, const uint8_t* from, int64_t size, uint8_t* to);

}  // namespace gradus
