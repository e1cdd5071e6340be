// jpeglib.h wants size_t and FILE before it, jerror.h comes after it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstdlib>

#include "data/jpeg.h"
#include "tensor/check.h"

namespace gradus {

namespace {

struct ErrorManager {
    jpeg_error_mgr base;  // must be first: libjpeg gets a pointer to it
    std::jmp_buf back;
    bool damaged;
};

ErrorManager& manager(j_common_ptr info) {
    return *reinterpret_cast<ErrorManager*>(info->err);
}

void leave(j_common_ptr info) {
    std::longjmp(manager(info).back, 1);
}

// Warnings (level -1) count as damage except those that leave all pixels intact: bytes between
// segments, unknown version numbers and colour transforms.
void take_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    const int code = info->err->msg_code;
    const bool harmless =
        code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
    if (!harmless) manager(info).damaged = true;
}

// Decodes rows of `channels` bytes a pixel. False if the stream is damaged. No object with a
// destructor may live here: errors leave by longjmp.
bool decompress(std::span<const uint8_t> bytes, const JpegHeader& header, J_COLOR_SPACE colours,
                int64_t channels, uint8_t* to) {
    jpeg_decompress_struct info;
    ErrorManager errors;
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = leave;
    errors.base.emit_message = take_message;
    errors.damaged = false;
    if (setjmp(errors.back) != 0) {
        jpeg_destroy_decompress(&info);
        return false;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, bytes.data(), bytes.size());
    jpeg_read_header(&info, TRUE);
    info.out_color_space = colours;
    jpeg_start_decompress(&info);
    const bool same = info.output_height == header.height && info.output_width == header.width &&
                      info.output_components == channels;
    while (same && !errors.damaged && info.output_scanline < info.output_height) {
        JSAMPROW row = to + info.output_scanline * header.width * channels;
        jpeg_read_scanlines(&info, &row, 1);
    }
    const bool whole = same && !errors.damaged && jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    return whole && !errors.damaged;
}

Image allocate(const JpegHeader& header, int64_t channels) {
    const int64_t bytes = header.height * header.width * channels;
    auto* memory = static_cast<uint8_t*>(std::malloc(bytes));
    check(memory != nullptr, "image: out of memory for ", bytes, " bytes");
    return {header.height, header.width, {memory, std::free}};
}

// a b / 255 to the nearest, as in Pillow's conversions.
int scaled_product(int a, int b) {
    const int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

// Inks are stored inverted, as in Adobe's files; Pillow assumes so for all files.
void to_rgb(const uint8_t* inks, int64_t pixels, uint8_t* rgb) {
    for (int64_t i = 0; i < pixels; ++i, inks += 4) {
        for (int c = 0; c < 3; ++c) {
            *rgb++ = static_cast<uint8_t>(inks[3] - scaled_product(255 - inks[c], inks[3]));
        }
    }
}

}  // namespace

std::string undecodable_jpeg(const JpegHeader&) {
    return "";
}

Image decode_jpeg(std::span<const uint8_t> bytes, const JpegHeader& header) {
    Image image = allocate(header, 3);
    bool whole = false;
    if (header.components.size() == 4) {
        const Image inks = allocate(header, 4);
        whole = decompress(bytes, header, JCS_CMYK, 4, inks.pixels.get());
        if (whole) to_rgb(inks.pixels.get(), header.height * header.width, image.pixels.get());
    } else {
        whole = decompress(bytes, header, JCS_RGB, 3, image.pixels.get());
    }
    if (!whole) image.pixels.reset();
    return image;
}

}  // namespace gradus
