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
// Pixels per byte of a file: deflate grows by at most 1032 (8 pixels a byte of PNG's 1-bit images),
// and a block of 64 JPEG coefficients takes at least a bit.
constexpr int64_t kMaxPngRatio = 8 * 1032;
constexpr int64_t kMaxJpegRatio = 64 * 8;

using Bytes = std::span<const uint8_t>;

bool starts_with(Bytes bytes, std::initializer_list<uint8_t> magic) {
    return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
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

// True if a PNG file is chunks with correct checksums up to its end chunk; stb checks none.
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

// Messages and limits of both formats.
class Decoder {
  public:
    Decoder(const std::string& path, Bytes bytes) : path_(path), bytes_(bytes) {}

    Image decode() const {
        const bool jpeg = starts_with(bytes_, {0xff, 0xd8, 0xff});
        const bool png = starts_with(bytes_, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        require(jpeg || png, "is neither JPEG nor PNG");
        require(bytes_.size() <= kMaxBytes, "has more than ", kMaxBytes >> 20, " MiB");
        Image image = jpeg ? decode_jpeg_file() : decode_png_file();
        require(image.pixels != nullptr, "is truncated or corrupt; fetch it again");
        return image;
    }

  private:
    template <class... Parts>
    void require(bool ok, const Parts&... parts) const {
        check_kind(ok, ErrorKind::data, "image: ", path_, ": ", parts...);
    }

    void check_extents(int64_t height, int64_t width, int64_t ratio) const {
        require(width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide &&
                    width * height <= kMaxPixels,
                "declares ", width, " x ", height, " pixels, which is out of range");
        require(width * height <= ratio * static_cast<int64_t>(bytes_.size()), "declares ", width,
                " x ", height, " pixels, more than its ", bytes_.size(), " bytes can hold");
    }

    Image decode_jpeg_file() const {
        const std::optional<JpegHeader> header = read_jpeg_header(bytes_);
        require(header.has_value(), "is truncated or corrupt; fetch it again");
        require(header->process >= 0, "its header is damaged");
        check_extents(header->height, header->width, kMaxJpegRatio);
        const std::string unreadable = unreadable_jpeg(*header);
        require(unreadable.empty(), unreadable, ", which is not read; convert it");
        const std::string undecodable = undecodable_jpeg(*header);
        require(undecodable.empty(), undecodable);
        return decode_jpeg(bytes_, *header);
    }

    Image decode_png_file() const {
        int width = 0, height = 0, channels = 0;
        const int size = static_cast<int>(bytes_.size());
        require(stbi_info_from_memory(bytes_.data(), size, &width, &height, &channels),
                "its header is damaged");
        check_extents(height, width, kMaxPngRatio);
        require(has_sound_chunks(bytes_), "is truncated or corrupt; fetch it again");
        constexpr size_t depth_at = 24, colour_at = 25;  // in the first chunk, IHDR
        require(bytes_[depth_at] != 16 || bytes_[colour_at] != 0,
                "is a grey PNG of 16 bits, of which Pillow clips all pixels above 255 and others "
                "take the upper half; convert it to 8 bits");
        uint8_t* pixels = stbi_load_from_memory(bytes_.data(), size, &width, &height, &channels, 3);
        return {height, width, {pixels, stbi_image_free}};
    }

    const std::string& path_;
    Bytes bytes_;
};

}  // namespace

Image decode_image(const std::string& path, Bytes bytes) {
    return Decoder(path, bytes).decode();
}

Image read_image(const std::string& path) {
    return decode_image(path, read_file("image", path, kMaxBytes));
}

}  // namespace gradus
