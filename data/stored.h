// stored -- a data set with its images in memory, for the small benchmarks.
#pragma once

#include <algorithm>

#include "data/dataset.h"
#include "tensor/check.h"

namespace gradus {

class StoredDataset : public Dataset {
  public:
    // pixels: [size, H, W, C]; labels: [size].
    StoredDataset(DatasetFacts facts, std::vector<uint8_t> pixels, std::vector<uint8_t> labels)
        : Dataset(std::move(facts)), pixels_(std::move(pixels)), labels_(std::move(labels)) {}

    int64_t label(int64_t index) const override { return labels_.at(index); }
    void image(int64_t index, uint8_t* pixels) const override {
        const int64_t count = image_shape().numel();
        check(index >= 0 && index < size(), facts().name, ": no image ", index, " among ", size());
        std::copy_n(pixels_.data() + index * count, count, pixels);
    }

  private:
    std::vector<uint8_t> pixels_;
    std::vector<uint8_t> labels_;
};

}  // namespace gradus
