// jpeg -- decodes a JPEG file held in memory.
//
// Two files implement this: jpeg_turbo.cc, with libjpeg-turbo, and jpeg_stb.cc, with stb_image, for
// builds without (make TURBOJPEG=0). The Makefile compiles one of them. libjpeg-turbo gives the
// pixels of Pillow, which decodes with it; stb_image rounds otherwise: by up to 3 levels, and
// refuses what it would take for other colours than libjpeg does (docs/decisions/012-jpeg.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"
#include "data/jpeg_header.h"

namespace gradus {

// Why this decoder refuses the file, in addition to unreadable_jpeg; empty if it does not.
std::string undecodable_jpeg(const JpegHeader& header);

// RGB pixels; without pixels if the stream is damaged. The header must be that of `bytes`, and both
// functions above must accept it.
Image decode_jpeg(std::span<const uint8_t> bytes, const JpegHeader& header);

}  // namespace gradus
