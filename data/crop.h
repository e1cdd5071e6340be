// crop -- the rectangle of a photograph that a network sees, chosen as in torchvision.
#pragma once

#include "tensor/rng.h"

namespace gradus {

struct Rectangle {
    int64_t top = 0, left = 0, height = 0, width = 0;

    bool operator==(const Rectangle&) const = default;
};

// RandomResizedCrop (Szegedy et al., CVPR 2015): 8 to 100 % of the area with a ratio of width to
// height from 3/4 to 4/3, uniform in its logarithm; ten attempts, then the largest central
// rectangle with a ratio in that range.
Rectangle random_resized_crop(int64_t height, int64_t width, const Rng& rng);

// The extents after resizing the shorter side to `size`; the longer one is rounded down.
Rectangle shorter_side_to(int64_t size, int64_t height, int64_t width);

// The first pixel of a central part of `size` out of `whole`; a half is rounded to even.
int64_t centre_offset(int64_t whole, int64_t size);

}  // namespace gradus
