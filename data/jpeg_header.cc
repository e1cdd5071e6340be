#include "data/jpeg_header.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kDht = 0xc4, kJpg = 0xc8, kDac = 0xcc, kEoi = 0xd9, kSos = 0xda, kApp0 = 0xe0,
                  kApp14 = 0xee;

// True if the tables of a DHT segment have at most 256 codes each and fill the segment.
bool has_sound_tables(Bytes segment) {
    while (!segment.empty()) {
        size_t codes = 0;
        for (size_t i = 1; i <= 16 && i < segment.size(); ++i) codes += segment[i];
        if (codes > 256 || segment.size() < 17 + codes) return false;
        segment = segment.subspan(17 + codes);
    }
    return true;
}

bool begins_with(Bytes segment, std::string_view text) {
    return segment.size() >= text.size() && std::equal(text.begin(), text.end(), segment.begin());
}

bool is_frame(uint8_t code) {
    return code >= 0xc0 && code <= 0xcf && code != kDht && code != kJpg && code != kDac;
}

bool read_frame(uint8_t code, Bytes segment, JpegHeader& header) {
    if (segment.size() < 6 || segment.size() != 6 + 3 * size_t{segment[5]}) return false;
    header.process = code - 0xc0;
    header.precision = segment[0];
    header.height = segment[1] << 8 | segment[2];
    header.width = segment[3] << 8 | segment[4];
    for (Bytes rest = segment.subspan(6); !rest.empty(); rest = rest.subspan(3)) {
        header.components.push_back({rest[0], rest[1] >> 4, rest[1] & 15});
    }
    return true;
}

// Reads a segment before the first scan. False if it is truncated.
bool read_segment(uint8_t code, Bytes segment, JpegHeader& header) {
    constexpr size_t jfif_size = 14, adobe_size = 12;  // the least sizes that libjpeg accepts
    if (is_frame(code) && header.process < 0) return read_frame(code, segment, header);
    if (code == kApp0 && segment.size() >= jfif_size && begins_with(segment, {"JFIF", 5})) {
        header.jfif = true;
    }
    if (code == kApp14 && segment.size() >= adobe_size && begins_with(segment, "Adobe")) {
        header.adobe = segment[11];
    }
    return true;
}

}  // namespace

JpegColours JpegHeader::colours() const {
    if (components.size() == 1) return JpegColours::grey;
    if (components.size() == 4) {
        return adobe < 0 || adobe == 0 ? JpegColours::cmyk : JpegColours::ycck;
    }
    if (components.size() != 3) return JpegColours::unknown;
    if (jfif) return JpegColours::ycc;
    if (adobe >= 0) return adobe == 0 ? JpegColours::rgb : JpegColours::ycc;
    const auto named = [&](int a, int b, int c) {
        return components[0].id == a && components[1].id == b && components[2].id == c;
    };
    return named('R', 'G', 'B') ? JpegColours::rgb : JpegColours::ycc;
}

int JpegHeader::largest_horizontal() const {
    int largest = 1;
    for (const JpegComponent& c : components) largest = std::max(largest, c.horizontal);
    return largest;
}

int JpegHeader::largest_vertical() const {
    int largest = 1;
    for (const JpegComponent& c : components) largest = std::max(largest, c.vertical);
    return largest;
}

// A scan's data is not a segment: within it FF is followed by 00 or a restart marker.
std::optional<JpegHeader> read_jpeg_header(Bytes bytes) {
    JpegHeader header;
    bool scanned = false;
    for (size_t at = 2;;) {
        while (at < bytes.size() && bytes[at] != 0xff) ++at;
        while (at < bytes.size() && bytes[at] == 0xff) ++at;
        if (at >= bytes.size()) return header;
        const uint8_t code = bytes[at++];
        if (code == kEoi) return header;
        if (code == 0 || (code >= 0xd0 && code <= 0xd7)) continue;
        if (bytes.size() - at < 2) return header;
        const size_t length = size_t{bytes[at]} << 8 | bytes[at + 1];
        if (length < 2 || length > bytes.size() - at) return std::nullopt;
        const Bytes segment = bytes.subspan(at + 2, length - 2);
        if (code == kDht && !has_sound_tables(segment)) return std::nullopt;
        scanned = scanned || code == kSos;
        if (!scanned && !read_segment(code, segment, header)) return std::nullopt;
        at += length;
    }
}

std::string unreadable_jpeg(const JpegHeader& header) {
    const int process = header.process;
    if (process == 3 || process == 11) return "is lossless JPEG";
    if (process >= 5 && process != 9 && process != 10) return "is hierarchical JPEG";
    if (header.precision != 8) return join("has ", header.precision, " bits a sample");
    const size_t count = header.components.size();
    if (count != 1 && count != 3 && count != 4) return join("has ", count, " channels");
    for (const JpegComponent& c : header.components) {
        const bool counts =
            c.horizontal >= 1 && c.horizontal <= 4 && c.vertical >= 1 && c.vertical <= 4;
        if (!counts) return join("has sampling factors of ", c.horizontal, " x ", c.vertical);
        if (header.largest_horizontal() % c.horizontal != 0 ||
            header.largest_vertical() % c.vertical != 0) {
            return "has channels whose sides are not whole parts of the largest one's";
        }
    }
    return "";
}

}  // namespace gradus
