// image -- decodes a JPEG or PNG file to RGB bytes. The content decides the format, not the name.
//
// The pixels are those of Pillow's convert("RGB"), as torchvision reads them: grey, palette, CMYK
// and YCCK become RGB, alpha and the lower half of 16 bits are dropped, EXIF rotation is not
// applied. Files that Pillow or this decoder (jpeg.h) misreads, such as grey PNG of 16 bits, are
// refused by name. The header is checked before decoding: at most 65,535 pixels a side and 2^26 in
// all, and no more than a file of its length can hold, so that a decoder allocates memory in
// proportion to the file. Errors: ErrorKind::data, one line with the path and the reason.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace gradus {

struct Image {
    int64_t height = 0, width = 0;
    std::unique_ptr<uint8_t[], void (*)(void*)> pixels;  // [H, W, 3]
};

// `path` is for messages.
Image decode_image(const std::string& path, std::span<const uint8_t> bytes);
Image read_image(const std::string& path);

}  // namespace gradus
