// resize -- Pillow's antialiased resampling of 8-bit images, to the last bit.
//
// Separable: a triangle (bilinear) or Keys' cubic with a = -1/2 (bicubic) over half-pixel centres,
// as wide as a source pixel or, when shrinking, as a target pixel. Weights sum to 1 and are kept as
// integers with 22 fractional bits; columns first, then rows, each rounded half up to a byte and
// clamped. Equal to Image.resize of Pillow up to 12 (tests/resize_test.cc, golden vectors); Pillow
// 13 takes rows first where the height shrinks much more than the width.
#pragma once

#include "data/dataset.h"

namespace gradus {

enum class Interpolation { bilinear, bicubic };

// Pixels inside a larger image: channels innermost, rows `stride` bytes apart.
struct ImageView {
    const uint8_t* pixels = nullptr;
    int64_t height = 0, width = 0;
    int64_t channels = 3;  // 1 to 4
    int64_t stride = 0;

    // A rectangle inside the view.
    ImageView crop(int64_t top, int64_t left, int64_t rows, int64_t columns) const {
        return {pixels + top * stride + left * channels, rows, columns, channels, stride};
    }
};

// The part of the source that becomes the target, in pixels; may be fractional. The filter reads
// beyond it if the image extends there.
struct Box {
    float left = 0, top = 0, right = 0, bottom = 0;
};

// to: [height, width, channels].
void resize(const ImageView& from, const Box& box, Interpolation interpolation, int64_t height,
            int64_t width, uint8_t* to);
void resize(const ImageView& from, Interpolation interpolation, int64_t height, int64_t width,
            uint8_t* to);

// The same images with other facts: another normalisation, or resized to another height and width.
DatasetPtr with_facts(DatasetPtr dataset, DatasetFacts facts, Interpolation interpolation);

}  // namespace gradus
