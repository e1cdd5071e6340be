// parallel -- the threads of the CPU kernels.
//
// Work is cut by the problem, never by the thread count: a kernel names its tasks, threads take
// them in any order, every task writes its own place. So the bits do not depend on the threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace gradus {

inline void set_thread_count(int threads) { omp_set_num_threads(std::max(1, threads)); }
inline int thread_count() { return omp_get_max_threads(); }

// Runs task(i) for i in [0, tasks). Tasks may be uneven: threads take the next free one.
// A task must write only to places that belong to i. The first exception is rethrown.
template <class Task>
void parallel_tasks(int64_t tasks, const Task& task) {
    if (tasks <= 1 || thread_count() == 1) {
        for (int64_t i = 0; i < tasks; ++i) task(i);
        return;
    }
    std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t i = 0; i < tasks; ++i) {
        try {
            task(i);
        } catch (...) {
#pragma omp critical
            if (!error) error = std::current_exception();
        }
    }
    if (error) std::rethrow_exception(error);
}

// Elementwise loop over [0, n): body(begin, end) on fixed chunks.
template <class Body>
void parallel_chunks(int64_t n, int64_t chunk, const Body& body) {
    const int64_t chunks = (n + chunk - 1) / chunk;
    parallel_tasks(chunks, [&](int64_t i) { body(i * chunk, std::min(n, (i + 1) * chunk)); });
}

// The loop of a HOST_DEVICE functor on the CPU: f(i) for every i; its twin is for_each_cuda.
template <class F>
void for_each_cpu(int64_t n, const F& f) {
    parallel_chunks(n, int64_t{1} << 15, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) f(i);
    });
}

}  // namespace gradus
