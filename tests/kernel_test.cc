#include "tensor/kernel.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "tensor/cuda.h"
#include "tensor/kernels/relu.h"
#include "tensor/parallel.h"
#include "tensor/storage.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

void add_one(int* value) {
    ++*value;
}
void add_ten(int* value) {
    *value += 10;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(each_device_has_its_slot) {
    Kernel<void(int*)> kernel{"test_kernel", add_one};
    int value = 0;
    kernel(Device::cpu(), &value);
    BOOST_TEST(value == 1);
    BOOST_TEST(!kernel.filled(Device::Type::cuda));
    BOOST_TEST(throws(ErrorKind::runtime, {"test_kernel", "cuda:0", "--device cpu"},
                      [&] { kernel(Device::cuda(), &value); }));
    const OnCuda filled{kernel, add_ten};
    kernel(Device::cuda(), &value);
    BOOST_TEST(value == 11);
}

BOOST_AUTO_TEST_CASE(the_cuda_slots_of_one_build_are_all_filled_or_none_is) {
    const bool cuda = device_count.filled(Device::Type::cuda);
    for (const bool filled :
         {device_allocate.filled(Device::Type::cuda), device_free.filled(Device::Type::cuda),
          device_copy.filled(Device::Type::cuda), relu_forward.filled(Device::Type::cuda),
          relu_backward.filled(Device::Type::cuda), relu6_forward.filled(Device::Type::cuda),
          relu6_backward.filled(Device::Type::cuda)}) {
        BOOST_TEST(filled == cuda);
    }
    if (!cuda) BOOST_TEST(cuda_device_count() == 0);
}

BOOST_AUTO_TEST_CASE(without_a_gpu_a_tensor_on_it_is_refused_in_one_line) {
    if (cuda_device_count() > 0) return;
    BOOST_TEST(throws(ErrorKind::runtime, {"--device cpu"},
                      [] { Tensor::empty({4}, DType::F32, Device::cuda()); }));
}

BOOST_AUTO_TEST_CASE(tensors_travel_to_a_gpu_and_back) {
    if (cuda_device_count() == 0) {
        BOOST_TEST_MESSAGE("copies to cuda: not run, no GPU or no CUDA in this build");
        return;
    }
    const Tensor host = random_tensor({1000}, 1);
    const Tensor device = host.to(Device::cuda());
    BOOST_TEST(same_bits(device.clone().to(Device::cpu()), host));
}

BOOST_AUTO_TEST_CASE(every_task_runs_once) {
    for (const int threads : {1, 3}) {
        const int before = thread_count();
        set_thread_count(threads);
        std::vector<int> runs(1000);
        parallel_tasks(1000, [&](int64_t i) { ++runs[i]; });
        BOOST_TEST(std::all_of(runs.begin(), runs.end(), [](int n) { return n == 1; }));
        std::vector<int> elements(100001);
        for_each_cpu(100001, [&](int64_t i) { ++elements[i]; });
        BOOST_TEST(std::accumulate(elements.begin(), elements.end(), 0) == 100001);
        set_thread_count(before);
    }
}

// Many more threads than cores, in loops too short for most of them and in longer ones.
BOOST_AUTO_TEST_CASE(hundreds_of_threads_end) {
    const int before = thread_count();
    for (const int threads : {33, 500}) {
        set_thread_count(threads);
        std::vector<int> runs(600);
        for (int loop = 0; loop < 2000; ++loop) {
            parallel_tasks(loop % 100 == 0 ? 600 : loop % 7, [&](int64_t i) { ++runs[i]; });
        }
        // One of 7 loops has more than 5 tasks; only the long ones have the last 593 places.
        BOOST_TEST(std::count(runs.begin() + 7, runs.end(), 20) == 593, threads);
        BOOST_TEST(std::accumulate(runs.begin(), runs.end(), 0) == 17937, threads);
    }
    set_thread_count(before);
}

// Tasks that wait for each other: all requested threads exist.
BOOST_AUTO_TEST_CASE(every_thread_takes_part) {
    const int before = thread_count();
    set_thread_count(9);
    for (int loop = 0; loop < 20; ++loop) {
        std::atomic<int> here = 0;
        parallel_tasks(9, [&](int64_t) {
            ++here;
            while (here < 9) std::this_thread::yield();
        });
        BOOST_TEST(here == 9);
    }
    set_thread_count(before);
}

// In a child, whose address space holds only some of the stacks.
BOOST_AUTO_TEST_CASE(threads_that_the_system_does_not_give_are_refused) {
    set_thread_count(thread_count());  // no helpers that the child would miss
    const pid_t child = fork();
    if (child == 0) {
        rlim_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlim_t room = pages * sysconf(_SC_PAGESIZE) + (rlim_t{256} << 20);
        const rlimit limit{room, room};
        setrlimit(RLIMIT_AS, &limit);
        set_thread_count(1000);
        const bool refused = throws(ErrorKind::runtime, {"of 1000 threads", "--threads"},
                                    [] { parallel_tasks(2, [](int64_t) {}); });
        _exit(refused ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 0), status);
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_task_reaches_the_caller) {
    for (const int threads : {1, 3, 40}) {
        const int before = thread_count();
        set_thread_count(threads);
        BOOST_CHECK_THROW(parallel_tasks(100, [](int64_t i) { check(i != 57, "task ", i); }),
                          Error);
        set_thread_count(before);
    }
}

BOOST_AUTO_TEST_SUITE_END()
