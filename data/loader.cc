#include "data/loader.h"

#include <algorithm>
#include <numeric>

#include "tensor/check.h"
#include "tensor/parallel.h"

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
      normalised_(normalisation_table(dataset_->facts())),
      workers_(dataset_->facts().photographs ? thread_count() : 1) {
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
    const std::lock_guard lock(mutex_);  // the worker must not set finished_ before this resets it
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

// Stops the worker and clears its state, ready for another start.
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
            if (stopping_) break;  // the batch may be incomplete
            const auto images = static_cast<int64_t>(batch.indices.size());
            if (images < std::min(options_.least, options_.batch_size)) continue;
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] {
                return stopping_ || static_cast<int64_t>(ready_.size()) < options_.prefetch;
            });
            if (stopping_) break;
            ready_.push_back(std::move(batch));
            lock.unlock();
            changed_.notify_all();
        }
        check_kind(dataset_->damaged_count() < dataset_->size(), ErrorKind::data,
                   dataset_->facts().name, ": none of the ", dataset_->size(),
                   " images can be read; the first: ", dataset_->first_damage());
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
    for (int64_t n = 0; n < end - begin; ++n) {
        batch.labels.data<int64_t>()[n] = dataset_->label(batch.indices[n]);
    }
    leave_out_damaged(fill_images(epoch, batch), batch);
    return batch;
}

// Threads take the next image; errors are stored by place in the batch. The loader has its own
// threads: the kernels' are busy with the batch before.
std::vector<std::exception_ptr> Loader::fill_images(int64_t epoch, Batch& batch) const {
    const Rng rng = rng_.split("augment").split(static_cast<uint64_t>(epoch));
    const auto size = static_cast<int64_t>(batch.indices.size());
    const int64_t count = dataset_->image_shape().numel();
    std::vector<std::exception_ptr> errors(size);
    std::atomic<int64_t> next = 0;
    const auto work = [&] {
        for (int64_t n; !stopping_ && (n = next++) < size;) {
            const int64_t index = batch.indices[n];
            try {
                fill_image(index, rng.split(static_cast<uint64_t>(index)),
                           batch.images.data<float>() + n * count);
            } catch (...) {
                errors[n] = std::current_exception();
            }
        }
    };
    std::vector<std::jthread> helpers;
    for (int64_t i = 1; i < std::min<int64_t>(workers_, size); ++i) helpers.emplace_back(work);
    work();
    helpers.clear();
    return errors;
}

// Loads the image of a sample, with augmentation if requested.
void Loader::fill_image(int64_t index, const Rng& rng, float* values) const {
    const Shape& shape = dataset_->image_shape();
    std::vector<uint8_t> pixels(shape.numel());
    if (options_.augmentation.active()) {
        dataset_->augmented(index, options_.augmentation, rng, pixels.data());
    } else {
        dataset_->image(index, pixels.data());
    }
    const uint8_t* from = pixels.data();
    for (int64_t i = 0; i < shape[0] * shape[1]; ++i) {
        for (int64_t c = 0; c < shape[2]; ++c) *values++ = normalised_[256 * c + *from++];
    }
}

// Throws the first error, or moves the rows of intact images together. If none is intact, only the
// indices are emptied.
void Loader::leave_out_damaged(const std::vector<std::exception_ptr>& errors, Batch& batch) const {
    const Batch all = batch;
    std::vector<int64_t> sound;
    for (size_t n = 0; n < errors.size(); ++n) {
        try {
            if (errors[n]) std::rethrow_exception(errors[n]);
            sound.push_back(static_cast<int64_t>(n));
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::data || !dataset_->facts().skip_damaged) throw;
            dataset_->note_damage(all.indices[n], error.what());
        }
    }
    if (sound.size() == errors.size()) return;
    batch.indices.resize(sound.size());
    if (sound.empty()) return;
    std::vector<int64_t> extents = all.images.shape().extents();
    extents[0] = static_cast<int64_t>(sound.size());
    batch.images = Tensor::empty(Shape(extents));
    batch.labels = Tensor::empty({extents[0]}, DType::I64);
    const int64_t count = dataset_->image_shape().numel();
    for (size_t n = 0; n < sound.size(); ++n) {
        batch.indices[n] = all.indices[sound[n]];
        batch.labels.data<int64_t>()[n] = all.labels.data<int64_t>()[sound[n]];
        std::copy_n(all.images.data<float>() + sound[n] * count, count,
                    batch.images.data<float>() + static_cast<int64_t>(n) * count);
    }
}

}  // namespace gradus
