#include "data/dataset.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

class FirstImages : public Dataset {
  public:
    FirstImages(DatasetPtr dataset, DatasetFacts facts)
        : Dataset(std::move(facts)), dataset_(std::move(dataset)) {}
    int64_t label(int64_t index) const override { return dataset_->label(index); }
    void image(int64_t index, uint8_t* pixels) const override { dataset_->image(index, pixels); }

  private:
    DatasetPtr dataset_;
};

}  // namespace

DatasetPtr first_images(DatasetPtr dataset, int64_t count) {
    check(count > 0, "data: asked for the first ", count, " images; ask for at least one");
    DatasetFacts facts = dataset->facts();
    facts.size = std::min(facts.size, count);
    return std::make_shared<FirstImages>(std::move(dataset), std::move(facts));
}

}  // namespace gradus
