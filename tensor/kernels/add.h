// add -- y = a + b
// shapes    a, b [any] -> y [same]              dtype f32
// gradient  da = db = dy                        reads nothing
// exactness exact (every device, bit for bit)
// tests     tests/add_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

template <class T>
HOST_DEVICE inline T add_value(T a, T b) {
    return a + b;
}

// y may be a or b.
extern Kernel<void(const float* a, const float* b, float* y, int64_t n)> add_forward;

}  // namespace gradus
