// dropout -- y = x / (1 - p) where uniform(i) >= p, else 0
// shapes    x [any] -> y [same]                 dtype f32      (Srivastava et al., JMLR 2014)
// gradient  dx = dy / (1 - p) where uniform(i) >= p, else 0: the forward of dy, drawn again
// exactness exact: element i is a pure function of (rng, i)
// tests     tests/dropout_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"
#include "tensor/rng.h"

namespace gradus {

template <class T>
HOST_DEVICE inline T dropout_value(T x, float uniform, T p) {
    return T(uniform) < p ? T(0) : x / (T(1) - p);
}

extern Kernel<void(const Rng& rng, float p, const float* x, float* y, int64_t n)> dropout_forward;

}  // namespace gradus
