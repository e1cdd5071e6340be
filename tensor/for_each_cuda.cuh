// for_each_cuda -- the loop of a HOST_DEVICE functor on the GPU; for_each_cpu is its counterpart.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/cuda_check.cuh"

namespace gradus {

template <class F>
__global__ void for_each_grid(int64_t n, F f) {
    const int64_t stride = int64_t{gridDim.x} * blockDim.x;
    for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) f(i);
}

// f(i) for every i in [0, n), in any order: f must write only to places that belong to i.
template <class F>
void for_each_cuda(int64_t n, const F& f) {
    if (n == 0) return;
    constexpr int64_t threads = 256, most_blocks = 4096;
    const int64_t blocks = std::min((n + threads - 1) / threads, most_blocks);
    for_each_grid<<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads)>>>(n, f);
    check_cuda(cudaGetLastError(), "for_each_cuda");
}

}  // namespace gradus
