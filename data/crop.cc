#include "data/crop.h"

#include <cmath>

namespace gradus {

namespace {

constexpr int kAttempts = 10;
constexpr double kLeastArea = 0.08;

int64_t nearest(double x) {
    return static_cast<int64_t>(x + 0.5);
}

// The whole image, cropped to a ratio between 3/4 and 4/3.
Rectangle central(int64_t height, int64_t width) {
    Rectangle r{0, 0, height, width};
    if (4 * width < 3 * height) r.height = nearest(4.0 * static_cast<double>(width) / 3.0);
    if (3 * width > 4 * height) r.width = nearest(4.0 * static_cast<double>(height) / 3.0);
    r.top = (height - r.height) / 2;
    r.left = (width - r.width) / 2;
    return r;
}

}  // namespace

Rectangle random_resized_crop(int64_t height, int64_t width, const Rng& rng) {
    const double area = static_cast<double>(height) * static_cast<double>(width);
    const double reach = std::log(4.0 / 3.0);
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const uint64_t draw = 4 * attempt;
        const double target = area * (kLeastArea + (1.0 - kLeastArea) * rng.uniform(draw));
        const double ratio = std::exp(reach * (2.0 * rng.uniform(draw + 1) - 1.0));
        Rectangle r;
        r.width = nearest(std::sqrt(target * ratio));
        r.height = nearest(std::sqrt(target / ratio));
        if (r.width < 1 || r.height < 1 || r.width > width || r.height > height) continue;
        r.top = rng.below(draw + 2, static_cast<uint32_t>(height - r.height + 1));
        r.left = rng.below(draw + 3, static_cast<uint32_t>(width - r.width + 1));
        return r;
    }
    return central(height, width);
}

Rectangle shorter_side_to(int64_t size, int64_t height, int64_t width) {
    if (height <= width) return {0, 0, size, size * width / height};
    return {0, 0, size * height / width, size};
}

int64_t centre_offset(int64_t whole, int64_t size) {
    const int64_t rest = whole - size;
    const int64_t half = rest / 2;
    return rest % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

}  // namespace gradus
