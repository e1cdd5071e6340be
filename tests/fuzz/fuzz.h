// fuzz -- shared by the libFuzzer targets of the readers: the input as a file in memory, and a
// guard against allocations that a malicious file asks for.
//
// A reader may end in one of two ways: it returns, or it throws Error of ErrorKind::data. Any other
// exception, a finding of the sanitizers, or a single allocation above the limit stops the fuzzer.
#pragma once

#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tensor/check.h"

namespace gradus::fuzz {

// Smaller allocations are harmless: strings, streams, tables of zlib.
constexpr size_t kSmallAllocation = size_t{1} << 17;

inline size_t allocation_limit = SIZE_MAX;

inline void guard_allocation(const volatile void*, size_t size) {
    if (size <= allocation_limit) return;
    const size_t limit = allocation_limit;
    allocation_limit = SIZE_MAX;  // the report allocates too
    std::fprintf(stderr, "fuzz: %zu bytes were asked for at once, the limit is %zu\n", size, limit);
    std::abort();
}

// Makes the bytes available under a path, for the lifetime of the object.
class MemoryFile {
  public:
    MemoryFile(const uint8_t* bytes, size_t size) : descriptor_(memfd_create("fuzz", 0)) {
        const bool whole = descriptor_ >= 0 && write(descriptor_, bytes, size) == ssize_t(size);
        if (!whole) std::abort();
        path_ = "/proc/self/fd/" + std::to_string(descriptor_);
    }
    ~MemoryFile() { close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    int descriptor_;
    std::string path_;
};

// Runs read() on an input of `size` bytes; no allocation may exceed four times their number, or
// `extra`.
template <class Read>
int run_on_bytes(size_t size, const Read& read, size_t extra = 0) {
    static const int installed =
        __sanitizer_install_malloc_and_free_hooks(guard_allocation, [](const volatile void*) {});
    if (installed == 0) std::abort();
    allocation_limit = std::max({4 * size, extra, kSmallAllocation});
    try {
        read();
    } catch (const Error& error) {
        allocation_limit = SIZE_MAX;
        if (error.kind() != ErrorKind::data) throw;
    }
    allocation_limit = SIZE_MAX;
    return 0;
}

// Runs read(path) on a file of these bytes.
template <class Read>
int run(const uint8_t* bytes, size_t size, const Read& read, size_t extra = 0) {
    const MemoryFile file(bytes, size);
    return run_on_bytes(
        size, [&] { read(file.path()); }, extra);
}

}  // namespace gradus::fuzz
