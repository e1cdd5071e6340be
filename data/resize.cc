#include "data/resize.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

// The source pixels that make up one target pixel, along one axis, with integer weights.
struct Taps {
    int64_t first = 0;
    std::vector<int64_t> weights;
    int64_t total = 0;
};

// In units of 1 / (2 to) source pixels: source pixel i has its centre at (2 i + 1) to, target
// pixel o at (2 o + 1) from, and the triangle reaches 2 max(from, to) to each side.
std::vector<Taps> make_taps(int64_t from, int64_t to) {
    const int64_t reach = 2 * std::max(from, to);
    std::vector<Taps> taps(to);
    for (int64_t o = 0; o < to; ++o) {
        for (int64_t i = 0; i < from; ++i) {
            const int64_t distance = std::abs((2 * i + 1) * to - (2 * o + 1) * from);
            if (distance >= reach) continue;
            if (taps[o].weights.empty()) taps[o].first = i;
            taps[o].weights.push_back(reach - distance);
            taps[o].total += reach - distance;
        }
    }
    return taps;
}

class Resized : public Dataset {
  public:
    Resized(DatasetPtr dataset, DatasetFacts facts)
        : Dataset(std::move(facts)), dataset_(std::move(dataset)) {}

    int64_t label(int64_t index) const override { return dataset_->label(index); }
    void image(int64_t index, uint8_t* pixels) const override {
        std::vector<uint8_t> original(dataset_->image_shape().numel());
        dataset_->image(index, original.data());
        resize(dataset_->image_shape(), original.data(), image_shape()[0], pixels);
    }

  private:
    DatasetPtr dataset_;
};

}  // namespace

void resize(const Shape& from_shape, const uint8_t* from, int64_t size, uint8_t* to) {
    const int64_t width = from_shape[1], channels = from_shape[2];
    const std::vector<Taps> rows = make_taps(from_shape[0], size);
    const std::vector<Taps> columns = make_taps(width, size);
    std::vector<int64_t> row(width * channels);  // weighted sums down the columns
    for (const Taps& down : rows) {
        std::fill(row.begin(), row.end(), 0);
        for (size_t k = 0; k < down.weights.size(); ++k) {
            const uint8_t* source =
                from + (down.first + static_cast<int64_t>(k)) * width * channels;
            for (size_t x = 0; x < row.size(); ++x) row[x] += down.weights[k] * source[x];
        }
        for (const Taps& across : columns) {
            const int64_t total = down.total * across.total;
            for (int64_t c = 0; c < channels; ++c) {
                int64_t sum = 0;
                for (size_t k = 0; k < across.weights.size(); ++k) {
                    sum += across.weights[k] *
                           row[(across.first + static_cast<int64_t>(k)) * channels + c];
                }
                *to++ = static_cast<uint8_t>((2 * sum + total) / (2 * total));
            }
        }
    }
}

DatasetPtr resize_images(DatasetPtr dataset, int64_t size) {
    check_kind(size >= 8 && size <= 1024, ErrorKind::usage, "--image-size ", size,
               " is out of range; choose 8 to 1024");
    DatasetFacts facts = dataset->facts();
    if (facts.image_shape[0] == size && facts.image_shape[1] == size) return dataset;
    facts.image_shape = {size, size, facts.image_shape[2]};
    return std::make_shared<Resized>(std::move(dataset), std::move(facts));
}

}  // namespace gradus
