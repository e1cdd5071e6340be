// loader -- batches of a data set, prepared ahead in the background: by one thread, or for
// photographs by as many as kernels have.
//
//     Loader loader(data.train, {.batch_size = 128, .shuffle = true, .drop_last = true}, rng);
//     loader.start(epoch);
//     while (std::optional<Batch> batch = loader.next()) step(*batch);
//
// The order of an epoch is a permutation keyed by (rng, epoch), augmentation is keyed by (rng,
// epoch, sample): the same batches for any prefetch depth and number of threads, and when an epoch
// is begun in its middle. Memory: `prefetch` batches and one in the making, whatever the data set.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace gradus {

struct Batch {
    Tensor images;                 // [N, H, W, C] F32, normalised (see dataset.h); N is less than
                                   // batch_size at the end, and where damaged images are left out
    Tensor labels;                 // [N] I64
    std::vector<int64_t> indices;  // of the samples in the data set
    int64_t number = 0;            // of this batch in its epoch
};

struct LoaderOptions {
    int64_t batch_size = 128;
    bool shuffle = false;    // else in the data set's order
    bool drop_last = false;  // leave out a last batch that is not full
    int64_t least = 1;       // skip a batch with fewer images after damage
    Augmentation augmentation = {};
    int64_t prefetch = 4;  // batches ready ahead, at most
};

class Loader {
  public:
    Loader(DatasetPtr dataset, LoaderOptions options, Rng rng = Rng(0));
    ~Loader();
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;

    // Batches in an epoch.
    int64_t batches() const;
    const Dataset& dataset() const { return *dataset_; }

    // Starts an epoch at one of its batches; abandons an epoch in progress.
    void start(int64_t epoch, int64_t first_batch = 0);
    // The next batch, or nothing after the last one; never an empty one: a skipped batch leaves a
    // gap in the numbers. An exception of the background thread is thrown here, once; then the
    // epoch is over. Error(data) at the end of an epoch if no image of the data set can be read.
    std::optional<Batch> next();

  private:
    void stop();
    void work(int64_t epoch, int64_t first_batch);
    Batch make_batch(int64_t epoch, int64_t number, const std::vector<int64_t>& order) const;
    std::vector<std::exception_ptr> fill_images(int64_t epoch, Batch& batch) const;
    void fill_image(int64_t index, const Rng& rng, float* values) const;
    void leave_out_damaged(const std::vector<std::exception_ptr>& errors, Batch& batch) const;

    DatasetPtr dataset_;
    LoaderOptions options_;
    Rng rng_;
    std::vector<float> normalised_;  // [C, 256]: the float view of each byte
    int workers_;                    // threads that load a batch

    std::thread worker_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Batch> ready_;             // guarded by mutex_, like the following
    bool finished_ = true;                // the worker will add no more
    std::exception_ptr error_;            // the exception that ended the worker
    std::atomic<bool> stopping_ = false;  // tells the workers to return
};

}  // namespace gradus
