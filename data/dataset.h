// dataset -- labelled 8-bit images, by index.
//
// An image is H x W x C bytes, channels innermost. Its float view, made by the loader, is
// (p / 255 - mean[c]) / deviation[c], each of the three operations rounded to float, in this order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace gradus {

struct DatasetFacts {
    std::string name;                  // "fashion-mnist"
    std::vector<std::string> classes;  // the classes' names; labels are indices into them
    int64_t size = 0;                  // images
    Shape image_shape;                 // [H, W, C]
    std::vector<float> mean;           // of p / 255, one per channel
    std::vector<float> deviation;      // standard deviation, likewise
    bool may_flip = false;             // a mirrored image keeps its class
};

// Immutable after construction: any thread may ask for any image.
class Dataset {
  public:
    explicit Dataset(DatasetFacts facts) : facts_(std::move(facts)) {}
    virtual ~Dataset() = default;
    Dataset(const Dataset&) = delete;
    Dataset& operator=(const Dataset&) = delete;

    const DatasetFacts& facts() const { return facts_; }
    int64_t size() const { return facts_.size; }
    int64_t class_count() const { return static_cast<int64_t>(facts_.classes.size()); }
    const Shape& image_shape() const { return facts_.image_shape; }

    // In [0, class_count()).
    virtual int64_t label(int64_t index) const = 0;
    // Writes the image's numel(image_shape()) bytes.
    virtual void image(int64_t index, uint8_t* pixels) const = 0;

  private:
    DatasetFacts facts_;
};

using DatasetPtr = std::shared_ptr<const Dataset>;

// Feeds everything that a training run can see to hash.update(bytes, count): extents H, W, C and
// the number of images as 8 bytes each, little endian; then for each image its bytes and its label
// (8 bytes, little endian).
template <class Hash>
void hash_dataset(const Dataset& dataset, Hash& hash) {
    std::vector<int64_t> head = dataset.image_shape().extents();
    head.push_back(dataset.size());
    hash.update(head.data(), head.size() * sizeof(int64_t));
    std::vector<uint8_t> pixels(dataset.image_shape().numel());
    for (int64_t index = 0; index < dataset.size(); ++index) {
        const int64_t label = dataset.label(index);
        dataset.image(index, pixels.data());
        hash.update(pixels.data(), pixels.size());
        hash.update(&label, sizeof label);
    }
}

}  // namespace gradus
