#include "tensor/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

#include "tensor/check.h"

namespace gradus {

namespace {

// Blocks aligned to 64 bytes, in sizes of eighths of powers of two. A freed block is kept, and
// serves any request of at least half its size: steps that repeat their shapes cause no page fault,
// and networks with shrinking layers do not keep a set of blocks for every extent.
class CachingAllocator {
  public:
    void* allocate(size_t bytes) {
        const size_t size = size_class(bytes);
        const std::lock_guard<std::mutex> lock(mutex_);
        auto fit = free_.lower_bound(size);
        const bool cached = fit != free_.end() && fit->first <= 2 * size;
        const size_t taken = cached ? fit->first : size;
        void* block = cached ? fit->second : fresh(size);
        if (cached) free_.erase(fit);
        sizes_[block] = taken;
        in_use_ += taken;
        peak_ = std::max(peak_, in_use_);
        return block;
    }

    void release(void* block) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto used = sizes_.find(block);
        in_use_ -= used->second;
        // Inserted before its equals: the block freed last is reused first, as it is still cached.
        free_.emplace_hint(free_.lower_bound(used->second), used->second, block);
        sizes_.erase(used);
    }

    size_t in_use() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return in_use_;
    }
    size_t peak() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return peak_;
    }
    void reset_peak() {
        const std::lock_guard<std::mutex> lock(mutex_);
        peak_ = in_use_;
    }

  private:
    static size_t size_class(size_t bytes) {
        const size_t size = std::max<size_t>(bytes, 64);
        const size_t step = std::max<size_t>(64, std::bit_floor(size) / 8);
        return (size + step - 1) / step * step;
    }

    void* fresh(size_t size) {
        void* block = std::aligned_alloc(64, size);
        if (!block) {
            drop_free_blocks();
            block = std::aligned_alloc(64, size);
        }
        check(block != nullptr, "out of memory: cannot allocate ", size,
              " bytes; a smaller --batch-size needs less");
        return block;
    }

    void drop_free_blocks() {
        for (const auto& [size, block] : free_) std::free(block);
        free_.clear();
    }

    std::mutex mutex_;
    std::multimap<size_t, void*> free_;        // by size
    std::unordered_map<void*, size_t> sizes_;  // of the blocks in use
    size_t in_use_ = 0;
    size_t peak_ = 0;
};

// Never destroyed: tensors with static lifetime may be destroyed later.
CachingAllocator& allocator() {
    static CachingAllocator* instance = new CachingAllocator;
    return *instance;
}

void allocate_cpu(size_t bytes, void** block) {
    *block = allocator().allocate(bytes);
}
void free_cpu(void* block, size_t) {
    allocator().release(block);
}
void copy_cpu(void* to, const void* from, size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
}

}  // namespace

constinit Kernel<void(size_t, void**)> device_allocate{"device_allocate", allocate_cpu};
constinit Kernel<void(void*, size_t)> device_free{"device_free", free_cpu};
constinit Kernel<void(void*, const void*, size_t)> device_copy{"device_copy", copy_cpu};

Storage::Storage(size_t bytes, Device device) : data_(nullptr), bytes_(bytes), device_(device) {
    device_allocate(device, bytes, &data_);
}

Storage::~Storage() {
    device_free(device_, data_, bytes_);
}

size_t allocated_bytes() {
    return allocator().in_use();
}
size_t peak_allocated_bytes() {
    return allocator().peak();
}
void reset_peak_allocated_bytes() {
    allocator().reset_peak();
}

}  // namespace gradus
