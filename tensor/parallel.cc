#include "tensor/parallel.h"

#include <immintrin.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace gradus {

namespace {

using TaskFunction = void (*)(const void*, int64_t);

thread_local bool inside_task = false;

class Pool {
  public:
    explicit Pool(int helpers) {
        for (int i = 0; i < helpers; ++i) helpers_.emplace_back([this] { help(); });
    }

    ~Pool() {
        stopping_ = true;
        generation_.fetch_add(1);
        generation_.notify_all();
        for (std::thread& helper : helpers_) helper.join();
    }

    // False if another thread has the pool.
    bool run(int64_t tasks, TaskFunction task, const void* context) {
        const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock) return false;
        tasks_ = tasks;
        task_ = task;
        context_ = context;
        next_.store(0, std::memory_order_relaxed);
        error_ = nullptr;
        gate_.store(open, std::memory_order_release);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
        take_tasks();
        gate_.fetch_and(~open, std::memory_order_acq_rel);
        while (gate_.load(std::memory_order_acquire) != 0) _mm_pause();
        if (error_) std::rethrow_exception(error_);
        return true;
    }

  private:
    static constexpr uint32_t open = 1u << 31;  // helpers may enter; below it: how many are inside
    // A helper looks for work this often before it sleeps: about as long as the serial parts
    // between two kernels of a training step.
    static constexpr int patience = 20000;

    void take_tasks() {
        inside_task = true;
        for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
            try {
                task_(context_, i);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(error_mutex_);
                if (!error_) error_ = std::current_exception();
            }
        }
        inside_task = false;
    }

    bool enter() {
        uint32_t gate = gate_.load(std::memory_order_acquire);
        while (gate & open) {
            if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
        }
        return false;
    }

    void help() {
        uint32_t seen = 0;
        while (!stopping_) {
            if (enter()) {
                take_tasks();
                gate_.fetch_sub(1, std::memory_order_acq_rel);
            }
            for (int i = 0; i < patience && generation_.load(std::memory_order_acquire) == seen;
                 ++i) {
                _mm_pause();
            }
            generation_.wait(seen, std::memory_order_acquire);
            seen = generation_.load(std::memory_order_acquire);
        }
    }

    std::vector<std::thread> helpers_;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;  // of the one job at a time
    std::atomic<uint32_t> generation_{0};
    std::atomic<uint32_t> gate_{0};
    std::atomic<int64_t> next_{0};
    int64_t tasks_ = 0;
    TaskFunction task_ = nullptr;
    const void* context_ = nullptr;
    std::mutex error_mutex_;
    std::exception_ptr error_;
};

struct Threads {
    int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    std::unique_ptr<Pool> pool;
};

// Never destroyed: helpers may outlive main's statics.
Threads& threads() {
    static Threads* instance = new Threads;
    return *instance;
}

Pool* pool_of(Threads& all) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    if (all.count > 1 && !all.pool) all.pool = std::make_unique<Pool>(all.count - 1);
    return all.pool.get();
}

}  // namespace

void set_thread_count(int count) {
    Threads& all = threads();
    all.pool.reset();
    all.count = std::max(1, count);
}

int thread_count() {
    return threads().count;
}

void detail::run_tasks(int64_t tasks, TaskFunction task, const void* context) {
    if (!inside_task && thread_count() > 1 && pool_of(threads())->run(tasks, task, context)) return;
    for (int64_t i = 0; i < tasks; ++i) task(context, i);
}

}  // namespace gradus
