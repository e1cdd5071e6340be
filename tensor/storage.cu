#include "tensor/cuda.h"
#include "tensor/cuda_check.cuh"
#include "tensor/storage.h"

namespace gradus {

namespace {

void device_count_cuda(int* count) {
    // No driver and no GPU are answers here, not errors.
    if (cudaGetDeviceCount(count) != cudaSuccess) *count = 0;
    cudaGetLastError();
}

void allocate_cuda(size_t bytes, void** block) {
    check_cuda(cudaMalloc(block, bytes ? bytes : 1), "cudaMalloc");
}

// In destructors, perhaps after the runtime has gone: an error has nobody to go to.
void free_cuda(void* block, size_t) {
    cudaFree(block);
}

// The direction is found from the two addresses. Waits for the kernels before it.
void copy_cuda(void* to, const void* from, size_t bytes) {
    check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}

const OnCuda device_count_on_cuda{device_count, device_count_cuda};
const OnCuda allocate_on_cuda{device_allocate, allocate_cuda};
const OnCuda free_on_cuda{device_free, free_cuda};
const OnCuda copy_on_cuda{device_copy, copy_cuda};

}  // namespace

}  // namespace gradus
