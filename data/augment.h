// augment -- random shifts, mirror images and colours of 8-bit images.
//
// The augmentation of a sample depends only on the generator. The loader keys it by seed, epoch and
// sample index, so it is independent of batches, workers and order.
#pragma once

#include <cstdint>

#include "data/jitter.h"
#include "tensor/rng.h"
#include "tensor/shape.h"

namespace gradus {

struct Augmentation {
    int64_t crop_padding = 0;   // pad each side by this many black pixels, then crop at random
    bool flip = false;          // mirror left and right with probability 1/2
    ColourJitter jitter = {};   // images of three channels only
    bool resized_crop = false;  // for photographs, before everything else (crop.h)

    bool active() const { return crop_padding > 0 || flip || jitter.active() || resized_crop; }
};

// Shift, mirror image and colours. from, to: [H, W, C] bytes, not overlapping.
void augment(const Augmentation& augmentation, const Rng& rng, const Shape& shape,
             const uint8_t* from, uint8_t* to);

}  // namespace gradus
