// concat -- y[n,h,w,:] = inputs one after the other along the channels
// shapes    x_i [rows, C_i] (NHWC seen as rows) -> y [rows, sum C_i]     dtype any, copied as bytes
// gradient  dx_i = its channels of dy                         reads nothing
// exactness exact (copies)
// tests     tests/concat_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

// Copies `bytes` of every row; rows start `from_stride` and `to_stride` bytes apart.
struct RowCopy {
    const void* from;
    int64_t from_stride;
    void* to;
    int64_t to_stride;
    int64_t bytes, rows;
};

extern Kernel<void(const RowCopy& copy)> copy_rows;

}  // namespace gradus
