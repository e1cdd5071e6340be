// parallel -- the threads of the CPU kernels.
//
// Work is cut by the problem, never by the thread count: a kernel names its tasks, threads take
// them in any order, every task writes to its own place. So the bits do not depend on the threads.
//
// The pool is our own (docs/decisions/002): the caller takes tasks like its helpers, and waits at
// the end only for helpers in the middle of one. A helper that the system has suspended then costs
// nothing, while a barrier would wait for it to wake up and find no work.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gradus {

// Sets the number of threads for kernels, the caller included; at least 1. Not while a kernel runs.
void set_thread_count(int threads);
int thread_count();

namespace detail {
// Runs task(context, i) for i in [0, tasks); returns when all are done. Calls from within a task,
// and from a second thread while the pool is busy, run in the calling thread.
void run_tasks(int64_t tasks, void (*task)(const void* context, int64_t i), const void* context);
}  // namespace detail

// Runs task(i) for i in [0, tasks). Tasks may be uneven: threads take the next free one.
// A task must write only to places that belong to i. The first exception is rethrown.
template <class Task>
void parallel_tasks(int64_t tasks, const Task& task) {
    if (tasks <= 1) {
        for (int64_t i = 0; i < tasks; ++i) task(i);
        return;
    }
    const auto call = [](const void* context, int64_t i) {
        (*static_cast<const Task*>(context))(i);
    };
    detail::run_tasks(tasks, call, &task);
}

// Elementwise loop over [0, n): body(begin, end) on fixed chunks.
template <class Body>
void parallel_chunks(int64_t n, int64_t chunk, const Body& body) {
    const int64_t chunks = (n + chunk - 1) / chunk;
    parallel_tasks(chunks, [&](int64_t i) { body(i * chunk, std::min(n, (i + 1) * chunk)); });
}

// The loop of a HOST_DEVICE functor on the CPU: f(i) for every i; for_each_cuda is its counterpart.
template <class F>
void for_each_cpu(int64_t n, const F& f) {
    parallel_chunks(n, int64_t{1} << 15, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) f(i);
    });
}

}  // namespace gradus
