// storage -- a reference-counted block of bytes on a device.
//
// CPU blocks come from a caching allocator: a freed block is kept by size class and reused, so a
// training step that repeats its shapes causes no page fault after the first one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/device.h"
#include "tensor/kernel.h"

namespace gradus {

class Storage {
  public:
    Storage(size_t bytes, Device device);
    ~Storage();
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;

    void* data() { return data_; }
    const void* data() const { return data_; }
    size_t bytes() const { return bytes_; }
    Device device() const { return device_; }

  private:
    void* data_;
    size_t bytes_;
    Device device_;
};

// Allocates device memory for Storage; storage.cu fills the CUDA slots.
extern Kernel<void(size_t bytes, void** block)> device_allocate;
extern Kernel<void(void* block, size_t bytes)> device_free;
// Copies between devices, or within one; `device` is the non-CPU side if there is one.
extern Kernel<void(void* to, const void* from, size_t bytes)> device_copy;

// Bytes that the CPU allocator has in use now, and at most since the last reset.
size_t allocated_bytes();
size_t peak_allocated_bytes();
void reset_peak_allocated_bytes();

}  // namespace gradus
