#include "data/loader.h"

#include <numeric>

#include "tensor/check.h"

namespace gradus {

namespace {

std::vector<float> normalisation_table(const DatasetFacts& facts) {
    std::vector<float> table;
    for (size_t c = 0; c < facts.mean.size(); ++c) {
        for (int p = 0; p < 256; ++p) {
            table.push_back((static_cast<float>(p) / 255.0f - facts.mean[c]) / facts.deviation[c]);
        }
    }
    return table;
}

}  // namespace

Loader::Loader(DatasetPtr dataset, LoaderOptions options, Rng rng)
    : dataset_(std::move(dataset)),
      options_(options),
      rng_(rng),
      normalised_(normalisation_table(dataset_->facts())) {
    const int64_t channels = dataset_->image_shape()[2];
    check(static_cast<int64_t>(normalised_.size()) == 256 * channels,
          "loader: ", dataset_->facts().name, " must have a mean and a deviation for each of its ",
          channels, " channels");
    check(options_.prefetch >= 1, "loader: prefetch must be at least 1, got ", options_.prefetch);
    check_kind(options_.batch_size >= 1, ErrorKind::usage, "--batch-size must be at least 1, got ",
               options_.batch_size);
    check_kind(batches() >= 1, ErrorKind::usage, "--batch-size ", options_.batch_size,
               " is more than the ", dataset_->size(), " images of ", dataset_->facts().name,
               "; choose a smaller one");
}

Loader::~Loader() {
    stop();
}

int64_t Loader::batches() const {
    const int64_t full = dataset_->size() / options_.batch_size;
    const bool partial = dataset_->size() % options_.batch_size != 0 && !options_.drop_last;
    return full + (partial ? 1 : 0);
}

void Loader::start(int64_t epoch, int64_t first_batch) {
    check(first_batch >= 0 && first_batch <= batches(), "loader: batch ", first_batch,
          " is not among the ", batches(), " of an epoch");
    stop();
    const std::lock_guard lock(mutex_);  // the worker must not finish before it is said to run
    worker_ = std::thread(&Loader::work, this, epoch, first_batch);
    finished_ = false;
}

std::optional<Batch> Loader::next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty() || finished_; });
    if (ready_.empty()) {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return std::nullopt;
    }
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return batch;
}

// Ends the worker and forgets what it left: ready for another start.
void Loader::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (worker_.joinable()) worker_.join();
    ready_.clear();
    error_ = nullptr;
    stopping_ = false;
    finished_ = true;
}

void Loader::work(int64_t epoch, int64_t first_batch) {
    std::exception_ptr error;
    try {
        std::vector<int64_t> order(dataset_->size());
        std::iota(order.begin(), order.end(), int64_t{0});
        const Rng shuffle = rng_.split("shuffle").split(static_cast<uint64_t>(epoch));
        if (options_.shuffle) order = shuffle.permutation(dataset_->size());
        for (int64_t number = first_batch; number < batches(); ++number) {
            Batch batch = make_batch(epoch, number, order);
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] {
                return stopping_ || static_cast<int64_t>(ready_.size()) < options_.prefetch;
            });
            if (stopping_) break;
            ready_.push_back(std::move(batch));
            lock.unlock();
            changed_.notify_all();
        }
    } catch (...) {
        error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    error_ = error;
    finished_ = true;
    changed_.notify_all();
}

Batch Loader::make_batch(int64_t epoch, int64_t number, const std::vector<int64_t>& order) const {
    const Shape& shape = dataset_->image_shape();
    const int64_t begin = number * options_.batch_size;
    const int64_t end = std::min(begin + options_.batch_size, dataset_->size());
    Batch batch;
    batch.number = number;
    batch.indices.assign(order.begin() + begin, order.begin() + end);
    batch.images = Tensor::empty({end - begin, shape[0], shape[1], shape[2]});
    batch.labels = Tensor::empty({end - begin}, DType::I64);
    const Rng rng = rng_.split("augment").split(static_cast<uint64_t>(epoch));
    const int64_t count = shape.numel();
    const int64_t channels = shape[2];
    std::vector<uint8_t> pixels(count), scratch(count);
    float* value = batch.images.data<float>();
    for (int64_t n = 0; n < end - begin; ++n) {
        const int64_t index = batch.indices[n];
        fill_image(index, rng.split(static_cast<uint64_t>(index)), pixels.data(), scratch.data());
        for (int64_t i = 0; i < count; ++i) {
            *value++ = normalised_[256 * (i % channels) + pixels[i]];
        }
        batch.labels.data<int64_t>()[n] = dataset_->label(index);
    }
    return batch;
}

// The image of a sample, augmented if that is asked for. `scratch` is an image, too.
void Loader::fill_image(int64_t index, const Rng& rng, uint8_t* pixels, uint8_t* scratch) const {
    const Augmentation& augmentation = options_.augmentation;
    if (augmentation.crop_padding == 0 && !augmentation.flip) {
        dataset_->image(index, pixels);
        return;
    }
    dataset_->image(index, scratch);
    augment(augmentation, rng, dataset_->image_shape(), scratch, pixels);
}

}  // namespace gradus
