// dataset -- labelled 8-bit images, by index.
//
// An image is H x W x C bytes, channels innermost. Its float view, made by the loader, is
// (p / 255 - mean[c]) / deviation[c], each of the three operations rounded to float, in this order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/augment.h"
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
    bool photographs = false;          // files of any size, decoded on request: milliseconds
    bool skip_damaged = false;         // the loader skips unreadable images instead of stopping
};

// Immutable after construction except for its record of damage: any thread may request any image.
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
    // Writes the image's numel(image_shape()) bytes. Error(data): it cannot be read.
    virtual void image(int64_t index, uint8_t* pixels) const = 0;
    // The same with augmentation: a function of the index and the generator.
    virtual void augmented(int64_t index, const Augmentation& augmentation, const Rng& rng,
                           uint8_t* pixels) const;
    // The contribution of an image to the hash of the data set: its pixels; for a file that would
    // have to be decoded, its name and size.
    virtual std::string identity(int64_t index) const;

    // Records an image that could not be read; each counts once.
    void note_damage(int64_t index, const std::string& what) const;
    std::vector<std::string> new_damage() const;  // since the last call, in the order of the images
    int64_t damaged_count() const;
    std::string first_damage() const;  // of the lowest index; empty if there is none

  private:
    DatasetFacts facts_;
    mutable std::mutex damage_mutex_;
    struct Damage {
        std::string what;
        bool told = false;
    };
    mutable std::map<int64_t, Damage> damage_;  // by index
};

using DatasetPtr = std::shared_ptr<const Dataset>;

// Feeds the identity of a data set to hash.update(bytes, count): extents H, W, C and the number of
// images as 8 bytes each, little endian; then for each image its identity and its label (8 bytes,
// little endian).
template <class Hash>
void hash_dataset(const Dataset& dataset, Hash& hash) {
    std::vector<int64_t> head = dataset.image_shape().extents();
    head.push_back(dataset.size());
    hash.update(head.data(), head.size() * sizeof(int64_t));
    for (int64_t index = 0; index < dataset.size(); ++index) {
        const int64_t label = dataset.label(index);
        const std::string identity = dataset.identity(index);
        hash.update(identity.data(), identity.size());
        hash.update(&label, sizeof label);
    }
}

}  // namespace gradus
