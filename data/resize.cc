#include "data/resize.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // of a weight: 8 bits of pixel, 2 of overshoot
constexpr int32_t kHalf = 1 << (kFractionBits - 1);

double triangle(double x) {
    x = std::abs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

double cubic(double x) {
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

// The source pixels of every target pixel along one axis.
struct Taps {
    int64_t count = 0;             // weights of a target pixel; the last ones may be 0
    std::vector<int64_t> first;    // [size]: the first source pixel
    std::vector<int64_t> used;     // [size]: the number of source pixels
    std::vector<int32_t> weights;  // [size, count]

    int64_t begin() const { return *std::min_element(first.begin(), first.end()); }
    int64_t end() const {
        int64_t end = 0;
        for (size_t o = 0; o < first.size(); ++o) end = std::max(end, first[o] + used[o]);
        return end;
    }
};

int32_t to_fixed(double weight) {
    const double scaled = weight * (1 << kFractionBits);
    return static_cast<int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

// The operations are in Pillow's order, which decides the last bit of a weight.
Taps make_taps(int64_t from, float begin, float end, Interpolation interpolation, int64_t size) {
    const bool bilinear = interpolation == Interpolation::bilinear;
    const double scale = static_cast<double>(end - begin) / static_cast<double>(size);
    const double stretch = std::max(scale, 1.0);
    const double support = (bilinear ? 1.0 : 2.0) * stretch;
    Taps taps;
    taps.count = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
    taps.weights.assign(size * taps.count, 0);
    std::vector<double> weights(taps.count);
    for (int64_t o = 0; o < size; ++o) {
        const double centre = begin + (static_cast<double>(o) + 0.5) * scale;
        const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
        const int64_t last = std::min<int64_t>(from, static_cast<int64_t>(centre + support + 0.5));
        double total = 0.0;
        for (int64_t i = first; i < last; ++i) {
            const double x = (static_cast<double>(i) - centre + 0.5) * (1.0 / stretch);
            weights[i - first] = bilinear ? triangle(x) : cubic(x);
            total += weights[i - first];
        }
        for (int64_t i = 0; i < last - first; ++i) {
            const double weight = total != 0.0 ? weights[i] / total : weights[i];
            taps.weights[o * taps.count + i] = to_fixed(weight);
        }
        taps.first.push_back(first);
        taps.used.push_back(last - first);
    }
    return taps;
}

uint8_t to_byte(int32_t sum) {
    return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// Resizes one row to size x Channels bytes.
template <int Channels>
void resize_row(const uint8_t* from, const Taps& taps, uint8_t* to) {
    const int64_t size = static_cast<int64_t>(taps.first.size());
    for (int64_t o = 0; o < size; ++o) {
        const int32_t* weights = taps.weights.data() + o * taps.count;
        const uint8_t* pixel = from + taps.first[o] * Channels;
        int32_t sums[Channels];
        std::fill_n(sums, Channels, kHalf);
        for (int64_t k = 0; k < taps.used[o]; ++k) {
            for (int c = 0; c < Channels; ++c) sums[c] += weights[k] * pixel[k * Channels + c];
        }
        for (int c = 0; c < Channels; ++c) *to++ = to_byte(sums[c]);
    }
}

using ResizeRow = void (*)(const uint8_t* from, const Taps& taps, uint8_t* to);
constexpr ResizeRow kResizeRow[] = {nullptr, resize_row<1>, resize_row<2>, resize_row<3>,
                                    resize_row<4>};

// Weighted sums down the columns of rows of `count` bytes: blocks that stay in registers.
void resize_column(const uint8_t* from, int64_t count, const int32_t* weights, int64_t used,
                   uint8_t* to) {
    constexpr int64_t block = 64;
    for (int64_t x = 0; x < count; x += block) {
        const int64_t width = std::min(block, count - x);
        int32_t sums[block];
        std::fill_n(sums, block, kHalf);
        for (int64_t k = 0; k < used; ++k) {
            const uint8_t* row = from + k * count + x;
            if (width == block) {
                for (int64_t i = 0; i < block; ++i) sums[i] += weights[k] * row[i];
            } else {
                for (int64_t i = 0; i < width; ++i) sums[i] += weights[k] * row[i];
            }
        }
        for (int64_t i = 0; i < width; ++i) to[x + i] = to_byte(sums[i]);
    }
}

class View : public Dataset {
  public:
    View(DatasetPtr dataset, DatasetFacts facts, Interpolation interpolation)
        : Dataset(std::move(facts)), dataset_(std::move(dataset)), interpolation_(interpolation) {}

    int64_t label(int64_t index) const override { return dataset_->label(index); }
    void image(int64_t index, uint8_t* pixels) const override {
        const Shape& shape = dataset_->image_shape();
        if (shape == image_shape()) return dataset_->image(index, pixels);
        std::vector<uint8_t> original(shape.numel());
        dataset_->image(index, original.data());
        const ImageView view{original.data(), shape[0], shape[1], shape[2], shape[1] * shape[2]};
        resize(view, interpolation_, image_shape()[0], image_shape()[1], pixels);
    }

  private:
    DatasetPtr dataset_;
    Interpolation interpolation_;
};

}  // namespace

void resize(const ImageView& from, const Box& box, Interpolation interpolation, int64_t height,
            int64_t width, uint8_t* to) {
    check(from.channels >= 1 && from.channels <= 4, "resize: ", from.channels,
          " channels; there must be 1 to 4");
    const Taps across = make_taps(from.width, box.left, box.right, interpolation, width);
    const Taps down = make_taps(from.height, box.top, box.bottom, interpolation, height);
    const int64_t begin = down.begin(), count = width * from.channels;
    std::vector<uint8_t> rows((down.end() - begin) * count);
    for (int64_t y = begin; y < down.end(); ++y) {
        kResizeRow[from.channels](from.pixels + y * from.stride, across,
                                  rows.data() + (y - begin) * count);
    }
    for (int64_t o = 0; o < height; ++o) {
        resize_column(rows.data() + (down.first[o] - begin) * count, count,
                      down.weights.data() + o * down.count, down.used[o], to + o * count);
    }
}

void resize(const ImageView& from, Interpolation interpolation, int64_t height, int64_t width,
            uint8_t* to) {
    const Box whole{0, 0, static_cast<float>(from.width), static_cast<float>(from.height)};
    resize(from, whole, interpolation, height, width, to);
}

DatasetPtr with_facts(DatasetPtr dataset, DatasetFacts facts, Interpolation interpolation) {
    return std::make_shared<View>(std::move(dataset), std::move(facts), interpolation);
}

}  // namespace gradus
