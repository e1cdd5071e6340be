// jpeg -- decodes a JPEG file held in memory.
//
// Two files implement this: jpeg_stb.cc, and jpeg_turbo.cc for builds with libjpeg-turbo (make
// TURBOJPEG=1). The Makefile compiles one of them. They agree but for rounding: libjpeg-turbo and
// stb differ by up to 3 levels where chroma is subsampled.
#pragma once

#include <cstdint>
#include <span>

#include "data/image.h"

namespace gradus {

// Has the extents that the header declares, or no pixels where the stream is damaged.
Image decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width);

}  // namespace gradus
