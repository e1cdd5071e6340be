#include "tensor/cuda.h"
#include "tensor/cuda_check.cuh"
#include "tensor/storage.h"

namespace gradus {

namespace {

void device_count_cuda(int* count) {
    // A missing driver or GPU is not an error here.
    if (cudaGetDeviceCount(count) != cudaSuccess) *count = 0;
    cudaGetLastError();
}

void allocate_cuda(size_t bytes, void** block) {
    check_cuda(cudaMalloc(block, bytes ? bytes : 1), "cudaMalloc");
}

// Runs in destructors, perhaps after the runtime has gone: errors cannot be reported.
void free_cuda(void* block, size_t) {
    cudaFree(block);
}

// CUDA derives the direction from the two addresses. Waits for earlier kernels.
void copy_cuda(void* to, const void* from, size_t bytes) {
    check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}

const OnCuda device_count_on_cuda{device_count, device_count_cuda};
const OnCuda allocate_on_cuda{device_allocate, allocate_cuda};
const OnCuda free_on_cuda{device_free, free_cuda};
const OnCuda copy_on_cuda{device_copy, copy_cuda};

}  // namespace

}  // namespace gradus
