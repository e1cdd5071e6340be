// cuda -- how many GPUs this program can use.
#pragma once

#include "tensor/kernel.h"

namespace gradus {

// 0 in a build without nvcc, without a driver and without a GPU.
int cuda_device_count();

// Its device slot, filled in storage.cu; the CPU counts as one.
extern Kernel<void(int* count)> device_count;

}  // namespace gradus
