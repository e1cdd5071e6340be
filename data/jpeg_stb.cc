#include <stb/stb_image.h>

#include "data/jpeg.h"

namespace gradus {

namespace {

using Bytes = std::span<const uint8_t>;

// Whether the tables of a DHT segment have at most 256 codes each and end where the segment does.
bool has_sound_tables(Bytes segment) {
    while (!segment.empty()) {
        size_t codes = 0;
        for (size_t i = 1; i <= 16 && i < segment.size(); ++i) codes += segment[i];
        if (codes > 256 || segment.size() < 17 + codes) return false;
        segment = segment.subspan(17 + codes);
    }
    return true;
}

// stb writes beyond its arrays for a Huffman table of more than 256 codes, so the segments are looked
// at first. A scan's data are no segment: within them FF is followed by 00 or a restart marker.
bool has_sound_segments(Bytes bytes) {
    size_t at = 2;
    for (;;) {
        while (at < bytes.size() && bytes[at] != 0xff) ++at;
        while (at < bytes.size() && bytes[at] == 0xff) ++at;
        if (at >= bytes.size()) return true;
        const uint8_t code = bytes[at++];
        if (code == 0xd9) return true;  // the end
        if (code == 0 || (code >= 0xd0 && code <= 0xd7)) continue;
        if (bytes.size() - at < 2) return true;
        const size_t length = size_t{bytes[at]} << 8 | bytes[at + 1];
        if (length < 2 || length > bytes.size() - at) return false;
        if (code == 0xc4 && !has_sound_tables(bytes.subspan(at + 2, length - 2))) return false;
        at += length;
    }
}

}  // namespace

Image decode_jpeg(std::span<const uint8_t> bytes, int64_t height, int64_t width) {
    if (!has_sound_segments(bytes)) return {height, width, {nullptr, stbi_image_free}};
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
