// cuda_check -- reports errors of the CUDA runtime in one line.
#pragma once

#include <cuda_runtime.h>

#include "tensor/check.h"

namespace gradus {

// Throws Error(runtime) unless `status` is success; `what` names the failed step.
inline void check_cuda(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver) {
        fail(ErrorKind::runtime, what, ": no usable GPU (", cudaGetErrorString(status),
             "); use --device cpu");
    }
    if (status == cudaErrorMemoryAllocation) {
        fail(ErrorKind::runtime, what,
             ": the GPU is out of memory; a smaller --batch-size needs less");
    }
    fail(ErrorKind::runtime, what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status),
         ")");
}

}  // namespace gradus
