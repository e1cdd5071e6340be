#include "data/augment.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

void augment(const Augmentation& augmentation, const Rng& rng, const Shape& shape,
             const uint8_t* from, uint8_t* to) {
    const int64_t height = shape[0], width = shape[1], channels = shape[2];
    const int64_t padding = augmentation.crop_padding;
    const auto places = static_cast<uint32_t>(2 * padding + 1);
    const int64_t down = int64_t{rng.below(0, places)} - padding;
    const int64_t right = int64_t{rng.below(1, places)} - padding;
    const bool flip = augmentation.flip && rng.below(2, 2) == 1;
    for (int64_t y = 0; y < height; ++y) {
        const int64_t from_y = y + down;
        for (int64_t x = 0; x < width; ++x) {
            const int64_t from_x = (flip ? width - 1 - x : x) + right;
            const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
            uint8_t* pixel = to + (y * width + x) * channels;
            if (inside) std::copy_n(from + (from_y * width + from_x) * channels, channels, pixel);
            if (!inside) std::fill_n(pixel, channels, uint8_t{0});
        }
    }
    if (!augmentation.jitter.active()) return;
    check_kind(channels == 3, ErrorKind::usage, "--brightness, --contrast, --saturation and --hue ",
               "change RGB images; these have ", channels, " channels");
    jitter(augmentation.jitter, rng.split("jitter"), to, height * width);
}

}  // namespace gradus
