#include "data/image.h"

#include <stb/stb_image.h>

#include <algorithm>
#include <array>

#include "data/jpeg.h"
#include "data/read_file.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 28;
constexpr int64_t kMaxSide = 65535;
constexpr int64_t kMaxPixels = int64_t{1} << 26;
// Pixels for each byte of a file: deflate grows by at most 1032 (8 pixels a byte of PNG's 1-bit
// images), and a block of 64 JPEG coefficients takes at least a bit.
constexpr int64_t kMaxPngRatio = 8 * 1032;
constexpr int64_t kMaxJpegRatio = 64 * 8;

using Bytes = std::span<const uint8_t>;

bool starts_with(Bytes bytes, std::initializer_list<uint8_t> magic) {
    return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

// True if the tables of a DHT segment have at most 256 codes each and end where the segment does.
bool has_sound_tables(Bytes segment) {
    while (!segment.empty()) {
        size_t codes = 0;
        for (size_t i = 1; i <= 16 && i < segment.size(); ++i) codes += segment[i];
        if (codes > 256 || segment.size() < 17 + codes) return false;
        segment = segment.subspan(17 + codes);
    }
    return true;
}

// stb writes beyond its arrays for a Huffman table of more than 256 codes, already when it looks
// for the extents, so the segments are looked at first. A scan's data are no segment: within them
// FF is followed by 00 or a restart marker.
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

std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table;
    for (uint32_t n = 0; n < 256; ++n) {
        uint32_t c = n;
        for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[n] = c;
    }
    return table;
}

uint32_t crc32(Bytes bytes) {
    static const std::array<uint32_t, 256> table = crc_table();
    uint32_t c = ~0u;
    for (const uint8_t byte : bytes) c = table[(c ^ byte) & 255] ^ (c >> 8);
    return ~c;
}

uint32_t big_endian(Bytes bytes) {
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 |
           uint32_t{bytes[3]};
}

// True if a PNG file is chunks with sound checksums up to its end chunk; stb looks at none.
bool has_sound_chunks(Bytes bytes) {
    bytes = bytes.subspan(8);
    while (bytes.size() >= 12) {
        const uint64_t length = big_endian(bytes);
        if (length > bytes.size() - 12) return false;
        const Bytes chunk = bytes.subspan(4, 4 + length);
        if (crc32(chunk) != big_endian(bytes.subspan(8 + length))) return false;
        if (starts_with(chunk, {'I', 'E', 'N', 'D'})) return true;
        bytes = bytes.subspan(12 + length);
    }
    return false;
}

Image decode_png(Bytes bytes) {
    int width = 0, height = 0, channels = 0;
    uint8_t* pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width,
                                            &height, &channels, 3);
    return {height, width, {pixels, stbi_image_free}};
}

}  // namespace

Image decode_image(const std::string& path, Bytes bytes) {
    const auto require = [&](bool ok, const auto&... parts) {
        check_kind(ok, ErrorKind::data, "image: ", path, ": ", parts...);
    };
    const bool jpeg = starts_with(bytes, {0xff, 0xd8, 0xff});
    const bool png = starts_with(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
    require(jpeg || png, "is neither JPEG nor PNG");
    require(bytes.size() <= kMaxBytes, "has more than ", kMaxBytes >> 20, " MiB");
    require(png || has_sound_segments(bytes), "is truncated or corrupt; fetch it again");
    int width = 0, height = 0, channels = 0;
    const int size = static_cast<int>(bytes.size());
    require(stbi_info_from_memory(bytes.data(), size, &width, &height, &channels),
            "its header is damaged");
    const int64_t pixels = int64_t{width} * height;
    require(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                pixels <= kMaxPixels,
            "declares ", width, " x ", height, " pixels, which is out of range");
    require(pixels <= (jpeg ? kMaxJpegRatio : kMaxPngRatio) * size, "declares ", width, " x ",
            height, " pixels, more than its ", size, " bytes can hold");
    require(jpeg || has_sound_chunks(bytes), "is truncated or corrupt; fetch it again");
    Image image = jpeg ? decode_jpeg(bytes, height, width) : decode_png(bytes);
    require(image.pixels != nullptr, "is truncated or corrupt; fetch it again");
    return image;
}

Image read_image(const std::string& path) {
    return decode_image(path, read_file("image", path, kMaxBytes));
}

}  // namespace gradus
