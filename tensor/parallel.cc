#include "tensor/parallel.h"

#include <immintrin.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "tensor/check.h"
#include "tensor/cores.h"

namespace gradus {

namespace {

using TaskFunction = void (*)(const void*, int64_t);

thread_local bool inside_task = false;

class Pool {
  public:
    // Error(runtime) if the system does not provide that many threads.
    explicit Pool(int helpers)
        : may_look_(std::clamp(available_cores() - 1, 0, helpers)),
          core_each_(may_look_ == helpers) {
        try {
            for (int i = 0; i < helpers; ++i) helpers_.emplace_back([this] { help(); });
        } catch (const std::system_error& error) {
            const size_t started = helpers_.size() + 1;
            stop();
            fail(ErrorKind::runtime, "only ", started, " of ", helpers + 1,
                 " threads could be started (", error.code().message(), "); take fewer --threads");
        }
    }

    ~Pool() { stop(); }

    // False if another thread is using the pool.
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
        wake();
        take_tasks();
        gate_.fetch_and(~open, std::memory_order_acq_rel);
        wait_for_helpers();
        if (error_) std::rethrow_exception(error_);
        return true;
    }

  private:
    static constexpr uint32_t open = 1u << 31;  // helpers may enter; lower bits count those inside
    // A waiting thread polls this many times before it sleeps: about as long as the serial parts
    // between two kernels of a training step. After the first `brief` polls it yields its core each
    // time.
    static constexpr int brief = 4000, patience = 5000;

    template <class Ready>
    static void look(const Ready& ready) {
        for (int i = 0; i < patience && !ready(); ++i) {
            if (i < brief) {
                _mm_pause();
            } else {
                std::this_thread::yield();
            }
        }
    }

    // With more helpers than cores each wakes the next, so that no more wake up than a loop has
    // time for.
    void wake() {
        if (core_each_) return generation_.notify_all();
        if (next_.load(std::memory_order_relaxed) < tasks_) generation_.notify_one();
    }

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

    void wait_for_helpers() {
        const auto all_left = [this] { return gate_.load(std::memory_order_acquire) == 0; };
        if (core_each_) look(all_left);
        for (uint32_t inside; (inside = gate_.load(std::memory_order_acquire)) != 0;) {
            gate_.wait(inside, std::memory_order_acquire);
        }
    }

    bool enter() {
        uint32_t gate = gate_.load(std::memory_order_acquire);
        while (gate & open) {
            if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) return true;
        }
        return false;
    }

    void leave() {
        if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_one();
    }

    // Returns when the generation is no longer `seen`. A helper without its own core sleeps.
    void wait_for_work(uint32_t seen) {
        const auto changed = [&] { return generation_.load(std::memory_order_acquire) != seen; };
        if (looking_.fetch_add(1, std::memory_order_relaxed) < may_look_) look(changed);
        looking_.fetch_sub(1, std::memory_order_relaxed);
        generation_.wait(seen, std::memory_order_acquire);
    }

    void help() {
        uint32_t seen = 0;
        while (!stopping_) {
            if (enter()) {
                if (!core_each_) wake();
                take_tasks();
                leave();
            }
            wait_for_work(seen);
            seen = generation_.load(std::memory_order_acquire);
        }
    }

    void stop() {
        stopping_ = true;
        generation_.fetch_add(1);
        generation_.notify_all();
        for (std::thread& helper : helpers_) helper.join();
    }

    std::vector<std::thread> helpers_;
    const int may_look_;  // helpers with a core besides the caller's
    const bool core_each_;
    std::atomic<int> looking_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;  // one job at a time
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
    int count = available_cores();
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
