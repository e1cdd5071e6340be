// jitter -- random brightness, contrast, saturation and hue of 8-bit RGB images.
//
// Each adjustment is that of torchvision on a Pillow image, to the last bit (tests/jitter_test.cc):
// blends with black, with the mean grey, with the image's own grey, and a turn of the hue in
// Pillow's HSV.
#pragma once

#include <cstdint>

#include "tensor/rng.h"

namespace gradus {

// The largest change of each: a factor from [1 - x, 1 + x], for the hue [-x, x] of a full turn.
struct ColourJitter {
    float brightness = 0, contrast = 0, saturation = 0;  // 0 to 1
    float hue = 0;                                       // 0 to 0.5

    bool active() const { return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0; }
};

// rgb: [count, 3], changed in place by the adjustments above 0, in random order.
void jitter(const ColourJitter& jitter, const Rng& rng, uint8_t* rgb, int64_t count);

// factor: at least 0; 1 changes nothing. shift: of a full turn, -0.5 to 0.5.
void adjust_brightness(float factor, uint8_t* rgb, int64_t count);
void adjust_contrast(float factor, uint8_t* rgb, int64_t count);
void adjust_saturation(float factor, uint8_t* rgb, int64_t count);
void adjust_hue(float shift, uint8_t* rgb, int64_t count);

}  // namespace gradus
