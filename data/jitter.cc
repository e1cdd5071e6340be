#include "data/jitter.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace gradus {

namespace {

// ITU-R 601 with 16 fractional bits.
uint8_t grey(const uint8_t* rgb) {
    return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

// From `ground` to `value` and beyond, towards zero.
uint8_t blend(uint8_t ground, uint8_t value, float factor) {
    const float mixed = static_cast<float>(ground) + factor * static_cast<float>(value - ground);
    return static_cast<uint8_t>(std::clamp(mixed, 0.0f, 255.0f));
}

// Pillow's 8-bit hue, saturation, value.
std::array<uint8_t, 3> to_hsv(const uint8_t* rgb) {
    const auto [least, most] = std::minmax({rgb[0], rgb[1], rgb[2]});
    if (least == most) return {0, 0, most};
    const float chroma = static_cast<float>(most - least);
    const float r = static_cast<float>(most - rgb[0]) / chroma;
    const float g = static_cast<float>(most - rgb[1]) / chroma;
    const float b = static_cast<float>(most - rgb[2]) / chroma;
    float sixths = 0;
    if (rgb[0] == most) {
        sixths = b - g;
    } else if (rgb[1] == most) {
        sixths = static_cast<float>(2.0 + r - b);
    } else {
        sixths = static_cast<float>(4.0 + g - r);
    }
    const float hue = static_cast<float>(std::fmod(sixths / 6.0 + 1.0, 1.0));
    const float saturation = chroma / static_cast<float>(most);
    return {static_cast<uint8_t>(hue * 255.0), static_cast<uint8_t>(saturation * 255.0), most};
}

void to_rgb(const std::array<uint8_t, 3>& hsv, uint8_t* rgb) {
    const uint8_t v = hsv[2];
    const double sixths = hsv[0] * 6.0 / 255.0;
    const int sector = static_cast<int>(sixths);
    const float f = static_cast<float>(sixths - sector);
    const float s = static_cast<float>(hsv[1] / 255.0);
    const auto darker = [v](double by) { return static_cast<uint8_t>(v * (1.0 - by) + 0.5); };
    const uint8_t p = darker(s), q = darker(s * f), t = darker(s * (1.0 - f));
    const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t},
                                   {p, q, v}, {t, p, v}, {v, p, q}};
    std::copy_n(sectors[sector % 6], 3, rgb);
}

}  // namespace

void adjust_brightness(float factor, uint8_t* rgb, int64_t count) {
    for (int64_t i = 0; i < 3 * count; ++i) rgb[i] = blend(0, rgb[i], factor);
}

void adjust_contrast(float factor, uint8_t* rgb, int64_t count) {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += grey(rgb + 3 * i);
    const auto mean = static_cast<uint8_t>((2 * sum + count) / (2 * count));
    for (int64_t i = 0; i < 3 * count; ++i) rgb[i] = blend(mean, rgb[i], factor);
}

void adjust_saturation(float factor, uint8_t* rgb, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const uint8_t ground = grey(rgb + 3 * i);
        for (int c = 0; c < 3; ++c) rgb[3 * i + c] = blend(ground, rgb[3 * i + c], factor);
    }
}

void adjust_hue(float shift, uint8_t* rgb, int64_t count) {
    const auto steps = static_cast<uint8_t>(static_cast<int>(shift * 255.0f));
    for (int64_t i = 0; i < count; ++i) {
        std::array<uint8_t, 3> hsv = to_hsv(rgb + 3 * i);
        hsv[0] = static_cast<uint8_t>(hsv[0] + steps);
        to_rgb(hsv, rgb + 3 * i);
    }
}

void jitter(const ColourJitter& jitter, const Rng& rng, uint8_t* rgb, int64_t count) {
    const auto draw = [&](uint64_t index, float most) {
        return most * (2.0f * rng.uniform(index) - 1.0f);
    };
    for (const int64_t which : rng.split("order").permutation(4)) {
        if (which == 0 && jitter.brightness > 0) {
            adjust_brightness(1.0f + draw(0, jitter.brightness), rgb, count);
        } else if (which == 1 && jitter.contrast > 0) {
            adjust_contrast(1.0f + draw(1, jitter.contrast), rgb, count);
        } else if (which == 2 && jitter.saturation > 0) {
            adjust_saturation(1.0f + draw(2, jitter.saturation), rgb, count);
        } else if (which == 3 && jitter.hue > 0) {
            adjust_hue(draw(3, jitter.hue), rgb, count);
        }
    }
}

}  // namespace gradus
