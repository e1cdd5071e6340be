// cuda -- the number of GPUs that this program can use.
#pragma once

#include "tensor/kernel.h"

namespace gradus {

// 0 if the build has no nvcc, or there is no driver or no GPU.
int cuda_device_count();

// The kernel that counts devices, filled in storage.cu; the CPU slot gives one.
extern Kernel<void(int* count)> device_count;

}  // namespace gradus
