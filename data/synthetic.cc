#include "data/synthetic.h"

#include <algorithm>
#include <cstdlib>

#include "tensor/check.h"
#include "tensor/rng.h"

namespace gradus {

namespace {

// Coordinates are on a canvas of this many units, whatever the number of pixels.
constexpr int kCanvas = 1792;

enum ShapeKind { disc, ring, square, frame, triangle, plus, rows, columns, checker, cross };

// Successive draws from one generator.
class Draws {
  public:
    explicit Draws(const Rng& rng) : rng_(rng) {}
    int between(int low, int high) {  // both included
        return low + static_cast<int>(rng_.below(count_++, static_cast<uint32_t>(high - low + 1)));
    }
    uint32_t bits() { return rng_.bits(count_++); }

  private:
    Rng rng_;
    uint64_t count_ = 0;
};

// True if the point (u, v) relative to the centre is on the shape of radius r; v points down.
bool covers(int kind, int u, int v, int r) {
    const int across = std::abs(u), along = std::abs(v);
    const int side = std::max(across, along);
    const int64_t distance2 = int64_t{u} * u + int64_t{v} * v, r2 = int64_t{r} * r;
    const bool in_square = 8 * side < 7 * r;
    // The index of the bar, of five across the square.
    const auto bar = [r](int w) { return 5 * (8 * w + 7 * r) / (14 * r); };
    switch (kind) {
        case disc:
            return distance2 < r2;
        case ring:
            return distance2 < r2 && 100 * distance2 > 36 * r2;
        case square:
            return in_square;
        case frame:
            return in_square && 2 * side > r;
        case triangle:
            return 4 * v < 3 * r && 7 * across < 4 * (v + r);
        case plus:
            return side < r && 3 * std::min(across, along) < r;
        case rows:
            return in_square && bar(v) % 2 == 0;
        case columns:
            return in_square && bar(u) % 2 == 0;
        case checker:
            return in_square && (bar(u) + bar(v)) % 2 == 0;
        default:
            return in_square && 3 * std::abs(across - along) < r;
    }
}

struct Figure {
    int kind, x, y, radius;
    std::vector<int> shade;  // per channel
};

// A shade that differs from every channel's ground by at least `contrast`.
std::vector<int> draw_shade(Draws& draws, const std::vector<int>& ground, int contrast) {
    std::vector<int> shade;
    for (int base : ground) {
        const int darker = std::max(0, base - contrast + 1);
        const int lighter = std::max(0, 256 - base - contrast);
        const int pick = draws.between(0, darker + lighter - 1);
        shade.push_back(pick < darker ? pick : base + contrast + pick - darker);
    }
    return shade;
}

// The number of the 2 x 2 points of pixel (x, y) of a size x size image that the figure covers.
int coverage(const Figure& figure, int x, int y, int size) {
    int count = 0;
    for (int point = 0; point < 4; ++point) {
        const int u = (4 * x + 2 * (point % 2) + 1) * kCanvas / (4 * size) - figure.x;
        const int v = (4 * y + 2 * (point / 2) + 1) * kCanvas / (4 * size) - figure.y;
        count += covers(figure.kind, u, v, figure.radius);
    }
    return count;
}

// An unfinished image: size x size x channels values, not yet clamped to bytes.
class Picture {
  public:
    // A plain ground with a slope.
    Picture(Draws& draws, int size, int64_t channels) : size_(size) {
        for (int64_t c = 0; c < channels; ++c) ground_.push_back(draws.between(40, 215));
        slope_x_ = draws.between(-60, 60);
        slope_y_ = draws.between(-60, 60);
        for (int y = 0; y < size; ++y) {
            for (int x = 0; x < size; ++x) {
                for (int base : ground_) values_.push_back(base + tilt(x, y));
            }
        }
    }

    const std::vector<int>& ground() const { return ground_; }

    // Paints over the image, in proportion to the figure's coverage of each pixel.
    void paint(const Figure& figure) {
        const auto pixel = [&](int units) { return units * size_ / kCanvas; };
        const int left = std::max(0, pixel(figure.x - figure.radius));
        const int right = std::min(size_ - 1, pixel(figure.x + figure.radius));
        const int top = std::max(0, pixel(figure.y - figure.radius));
        const int bottom = std::min(size_ - 1, pixel(figure.y + figure.radius));
        const size_t channels = ground_.size();
        for (int y = top; y <= bottom; ++y) {
            for (int x = left; x <= right; ++x) {
                const int count = coverage(figure, x, y, size_);
                int* value = values_.data() + (y * size_ + x) * channels;
                for (size_t c = 0; c < channels; ++c) {
                    value[c] =
                        ((4 - count) * value[c] + count * (figure.shade[c] + tilt(x, y))) / 4;
                }
            }
        }
    }

    // Converts to bytes, with triangular noise of this amplitude.
    void develop(Draws& draws, int amplitude, uint8_t* pixels) const {
        uint32_t bits = 0;
        for (size_t i = 0; i < values_.size(); ++i) {
            bits = i % 4 == 0 ? draws.bits() : bits >> 8;
            const int shift = static_cast<int>((bits & 15) + (bits >> 4 & 15)) - 15;
            pixels[i] =
                static_cast<uint8_t>(std::clamp(values_[i] + shift * amplitude / 15, 0, 255));
        }
    }

  private:
    int tilt(int x, int y) const {
        return (slope_x_ * (2 * x - size_) + slope_y_ * (2 * y - size_)) / (2 * size_);
    }

    int size_;
    int slope_x_, slope_y_;    // of the ground, per width of the image
    std::vector<int> ground_;  // per channel, in the middle of the image
    std::vector<int> values_;
};

Figure draw_figure(Draws& draws, int kind, const std::vector<int>& ground) {
    Figure figure;
    figure.kind = kind;
    figure.radius = draws.between(kCanvas * 18 / 100, kCanvas * 34 / 100);
    figure.x = draws.between(figure.radius, kCanvas - figure.radius);
    figure.y = draws.between(figure.radius, kCanvas - figure.radius);
    figure.shade = draw_shade(draws, ground, 25);
    return figure;
}

Figure draw_speck(Draws& draws, const std::vector<int>& ground) {
    Figure speck;
    speck.kind = draws.between(0, 1) ? disc : square;
    speck.radius = draws.between(kCanvas * 2 / 100, kCanvas * 7 / 100);
    speck.x = draws.between(0, kCanvas);
    speck.y = draws.between(0, kCanvas);
    speck.shade = draw_shade(draws, ground, 20);
    return speck;
}

class Synthetic : public Dataset {
  public:
    Synthetic(DatasetFacts facts, const Rng& rng) : Dataset(std::move(facts)), rng_(rng) {}

    int64_t label(int64_t index) const override { return index % class_count(); }

    void image(int64_t index, uint8_t* pixels) const override {
        Draws draws(rng_.split(static_cast<uint64_t>(index)));
        Picture picture(draws, static_cast<int>(image_shape()[0]), image_shape()[2]);
        const int behind = draws.between(1, 4), before = draws.between(1, 4);
        for (int i = 0; i < behind; ++i) picture.paint(draw_speck(draws, picture.ground()));
        picture.paint(draw_figure(draws, static_cast<int>(label(index)), picture.ground()));
        for (int i = 0; i < before; ++i) picture.paint(draw_speck(draws, picture.ground()));
        const int amplitude = draws.between(15, 60);
        picture.develop(draws, amplitude, pixels);
    }

  private:
    Rng rng_;
};

}  // namespace

DatasetPtr make_synthetic(const SyntheticOptions& options) {
    check_kind(options.image_size >= 8 && options.image_size <= 1024, ErrorKind::usage,
               "--image-size ", options.image_size, " is out of range; choose 8 to 1024");
    check(options.channels >= 1 && options.channels <= 4 && options.size >= 1,
          "synthetic: ", options.size, " images of ", options.channels,
          " channels; there must be at least one image of 1 to 4 channels");
    DatasetFacts facts;
    facts.name = "synthetic";
    facts.classes = {"disc", "ring", "square",  "frame",   "triangle",
                     "plus", "rows", "columns", "checker", "cross"};
    facts.size = options.size;
    facts.image_shape = {options.image_size, options.image_size, options.channels};
    facts.mean.assign(options.channels, 0.5f);
    facts.deviation.assign(options.channels, 0.23f);
    facts.may_flip = true;
    const Rng rng(0x53594e5448ULL);
    return std::make_shared<Synthetic>(std::move(facts),
                                       rng.split(options.train ? "train" : "test"));
}

}  // namespace gradus
