#include <stb/stb_image.h>

#include "data/jpeg.h"

namespace gradus {

Image decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width) {
    int found_width = 0, found_height = 0, channels = 0;
    Image image{height,
                width,
                {stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &found_width,
                                       &found_height, &channels, 3),
                 stbi_image_free}};
    if (found_height != height || found_width != width) image.pixels.reset();
    return image;
}

}  // namespace gradus
