#include "tensor/cuda.h"

namespace gradus {

namespace {

void device_count_cpu(int* count) {
    *count = 1;
}

}  // namespace

constinit Kernel<void(int*)> device_count{"device_count", device_count_cpu};

int cuda_device_count() {
    int count = 0;
    if (device_count.filled(Device::Type::cuda)) device_count(Device::cuda(), &count);
    return count;
}

}  // namespace gradus
