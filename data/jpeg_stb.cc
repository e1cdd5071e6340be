#include <stb/stb_image.h>

#include "data/jpeg.h"

namespace gradus {

namespace {

// stb prefers the names of the components to the Adobe segment, and without that segment takes the
// fourth component for transparency.
JpegColours colours_of_stb(const JpegHeader& header) {
    const auto& c = header.components;
    if (c.size() == 4 && header.adobe != 0 && header.adobe != 2) return JpegColours::unknown;
    if (c.size() != 3) return header.colours();
    const bool named = c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B';
    return named || (header.adobe == 0 && !header.jfif) ? JpegColours::rgb : JpegColours::ycc;
}

bool has_halved_width(const JpegHeader& header, bool alone) {
    for (const JpegComponent& c : header.components) {
        const bool halved = header.largest_horizontal() == 2 * c.horizontal;
        if (halved && (!alone || header.largest_vertical() == c.vertical)) return true;
    }
    return false;
}

}  // namespace

std::string undecodable_jpeg(const JpegHeader& header) {
    const auto because = [](const std::string& reason) {
        return reason + ", which stb_image does not read as libjpeg does; build with libjpeg-turbo";
    };
    if (header.process > 2) return because("is coded arithmetically");
    if (colours_of_stb(header) != header.colours()) {
        return because(header.components.size() == 4
                           ? "has four channels and no Adobe segment of transform 0 or 2"
                           : "has channels called R, G and B next to a JFIF or Adobe segment");
    }
    // stb_image 2.27 interpolates the second last column from the wrong side.
    if (has_halved_width(header, true))
        return because("has channels halved in width alone (4:2:2)");
    // libjpeg repeats the pixels of so narrow a channel, stb interpolates.
    if (has_halved_width(header, false) && header.width <= 4) {
        return because("is up to 4 pixels wide with channels halved in width");
    }
    return "";
}

Image decode_jpeg(std::span<const uint8_t> bytes, const JpegHeader& header) {
    int width = 0, height = 0, channels = 0;
    Image image{header.height,
                header.width,
                {stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width,
                                       &height, &channels, 3),
                 stbi_image_free}};
    if (height != header.height || width != header.width) image.pixels.reset();
    return image;
}

}  // namespace gradus
