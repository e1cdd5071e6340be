// relu -- y = max(x, 0); relu6 -- y = min(max(x, 0), 6)
// shapes    x [any] -> y [same]                 dtype f32
// gradient  dx = dy where the clamp does not act (0 < y, y < 6), else 0    reads y, not x
// exactness exact (every device, bit for bit); NaN goes to NaN
// tests     tests/relu_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

template <class T>
HOST_DEVICE inline T relu_value(T x) {
    return x < T(0) ? T(0) : x;
}
template <class T>
HOST_DEVICE inline T relu_slope(T y, T dy) {
    return y > T(0) ? dy : T(0);
}
template <class T>
HOST_DEVICE inline T relu6_value(T x) {
    return x < T(0) ? T(0) : (x > T(6) ? T(6) : x);
}
template <class T>
HOST_DEVICE inline T relu6_slope(T y, T dy) {
    return y > T(0) && y < T(6) ? dy : T(0);
}

// The loop bodies, the same lines on every device.
struct ReluForward {
    const float* x;
    float* y;
    HOST_DEVICE void operator()(int64_t i) const { y[i] = relu_value(x[i]); }
};
struct ReluBackward {
    const float* y;
    const float* dy;
    float* dx;
    HOST_DEVICE void operator()(int64_t i) const { dx[i] = relu_slope(y[i], dy[i]); }
};
struct Relu6Forward {
    const float* x;
    float* y;
    HOST_DEVICE void operator()(int64_t i) const { y[i] = relu6_value(x[i]); }
};
struct Relu6Backward {
    const float* y;
    const float* dy;
    float* dx;
    HOST_DEVICE void operator()(int64_t i) const { dx[i] = relu6_slope(y[i], dy[i]); }
};

extern Kernel<void(const float* x, float* y, int64_t n)> relu_forward;
extern Kernel<void(const float* y, const float* dy, float* dx, int64_t n)> relu_backward;
extern Kernel<void(const float* x, float* y, int64_t n)> relu6_forward;
extern Kernel<void(const float* y, const float* dy, float* dx, int64_t n)> relu6_backward;

}  // namespace gradus
