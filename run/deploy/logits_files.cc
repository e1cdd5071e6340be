#include "run/deploy/logits_files.h"

#include <algorithm>
#include <filesystem>

#include "io/npy.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// npy.h writes no 64-bit integers, and labels need none.
Tensor as_int32(const Tensor& labels) {
    Tensor small = Tensor::empty(labels.shape(), DType::I32);
    std::copy_n(labels.data<int64_t>(), labels.numel(), small.data<int32_t>());
    return small;
}

// Joins batches along the first axis.
template <class T>
Tensor joined(const std::vector<Tensor>& batches) {
    int64_t images = 0;
    for (const Tensor& batch : batches) images += batch.shape()[0];
    std::vector<int64_t> extents{images};
    if (batches.at(0).shape().rank() > 1) extents.push_back(batches[0].shape()[1]);
    Tensor all = Tensor::empty(Shape(extents), batches[0].dtype());
    T* next = all.data<T>();
    for (const Tensor& batch : batches) {
        next = std::copy_n(batch.data<T>(), batch.numel(), next);
    }
    return all;
}

}  // namespace

LogitsFiles::LogitsFiles(std::string folder) : folder_(std::move(folder)) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    check(!error, "cannot make ", folder_, ": ", error.message(), "; choose another folder");
}

void LogitsFiles::add(const Tensor& labels, const Tensor& float_logits,
                      const BatchOutcome& outcome) {
    batches_["labels"].push_back(as_int32(labels));
    batches_["float"].push_back(float_logits.clone());
    batches_["simulation"].push_back(outcome.simulated_logits.clone());
    batches_["integers"].push_back(outcome.integer_logits.clone());
}

void LogitsFiles::save() const {
    for (const auto& [name, batches] : batches_) {
        const bool labels = name == "labels";
        save_npy(folder_ + "/" + name + ".npy",
                 labels ? joined<int32_t>(batches) : joined<float>(batches));
    }
}

}  // namespace gradus
