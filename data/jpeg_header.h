// jpeg_header -- reads the segments of a JPEG file before decoding (ITU-T T.81, Annex B).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gradus {

struct JpegComponent {
    int id = 0;
    int horizontal = 0, vertical = 0;  // sampling factors, 1 to 4
};

enum class JpegColours { grey, ycc, rgb, cmyk, ycck, unknown };

struct JpegHeader {
    int64_t height = 0, width = 0;
    int process = -1;   // the frame's marker is 0xC0 + process; -1: there is no frame
    int precision = 0;  // bits of a sample
    bool jfif = false;
    int adobe = -1;  // colour transform of the Adobe segment, 0 to 255; -1: there is none
    std::vector<JpegComponent> components;

    // Decides as libjpeg does (default_decompress_parms in its jdapimin.c): the JFIF segment before
    // the Adobe segment, both before the components' names.
    JpegColours colours() const;
    int largest_horizontal() const;
    int largest_vertical() const;
};

// Empty if a segment is truncated or its Huffman tables have more than 256 codes. stb writes beyond
// its arrays for such a table, even when it reads only the extents.
std::optional<JpegHeader> read_jpeg_header(std::span<const uint8_t> bytes);

// Why no decoder here accepts such a file, e.g. "has 12 bits a sample"; empty if one may.
std::string unreadable_jpeg(const JpegHeader& header);

}  // namespace gradus
