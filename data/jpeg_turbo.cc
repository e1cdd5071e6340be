#include <turbojpeg.h>

#include <cstdlib>

#include "data/jpeg.h"
#include "tensor/check.h"

namespace gradus {

namespace {

struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, Destroy>;

uint8_t* allocate(int64_t bytes) {
    void* memory = std::malloc(bytes);
    check(memory != nullptr, "image: out of memory for ", bytes, " bytes");
    return static_cast<uint8_t*>(memory);
}

bool decode(void* handle, std::span<const uint8_t> bytes, Image& image, int format) {
    return tjDecompress2(handle, bytes.data(), bytes.size(), image.pixels.get(),
                         static_cast<int>(image.width), 0, static_cast<int>(image.height), format,
                         TJFLAG_STOPONWARNING) == 0;
}

// CMYK as Adobe's files have it: inverted, so that each ink is a factor of its light.
Image from_cmyk(const Image& cmyk, Image rgb) {
    const uint8_t* from = cmyk.pixels.get();
    uint8_t* to = rgb.pixels.get();
    for (int64_t i = 0; i < rgb.height * rgb.width; ++i, from += 4) {
        for (int c = 0; c < 3; ++c) *to++ = static_cast<uint8_t>((from[c] * from[3] + 127) / 255);
    }
    return rgb;
}

}  // namespace

Image decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width) {
    const Handle handle(tjInitDecompress());
    check(handle != nullptr, "image: libjpeg-turbo cannot be started");
    Image image{height, width, {allocate(height * width * 3), std::free}};
    int found_width = 0, found_height = 0, subsampling = 0, colours = 0;
    const bool known = tjDecompressHeader3(handle.get(), bytes.data(), bytes.size(), &found_width,
                                           &found_height, &subsampling, &colours) == 0 &&
                       found_width == width && found_height == height;
    if (known && (colours == TJCS_CMYK || colours == TJCS_YCCK)) {
        Image cmyk{height, width, {allocate(height * width * 4), std::free}};
        if (decode(handle.get(), bytes, cmyk, TJPF_CMYK)) {
            return from_cmyk(cmyk, std::move(image));
        }
    } else if (known && decode(handle.get(), bytes, image, TJPF_RGB)) {
        return image;
    }
    image.pixels.reset();
    return image;
}

}  // namespace gradus
