#include "tensor/kernels/concat.h"

#include <cstring>

#include "tensor/parallel.h"

namespace gradus {

namespace {

void copy_rows_cpu(const RowCopy& copy) {
    const char* from = static_cast<const char*>(copy.from);
    char* to = static_cast<char*>(copy.to);
    parallel_chunks(copy.rows, 1024, [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            std::memcpy(to + r * copy.to_stride, from + r * copy.from_stride, copy.bytes);
        }
    });
}

}  // namespace

constinit Kernel<void(const RowCopy&)> copy_rows{"copy_rows", copy_rows_cpu};

}  // namespace gradus
