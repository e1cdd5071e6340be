// sgd -- one step of stochastic gradient descent with momentum
//          g = grad + weight_decay w;  m <- momentum m + g;  g = nesterov ? g + momentum m : m
//          w <- w - lr g              (Sutskever et al., ICML 2013, in the form of PyTorch's SGD)
// shapes    all [n]                  dtype f32; w and m are updated in place
// exactness exact: each element alone, operations in the order written
// tests     tests/sgd_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

struct SgdAttrs {
    float lr;
    float momentum = 0.0f;
    float weight_decay = 0.0f;
    bool nesterov = false;
};

// Updates one element. A momentum buffer of zeros means the first step: m becomes g.
template <class T>
HOST_DEVICE inline void sgd_value(T grad, T lr, T momentum, T weight_decay, bool nesterov, T& m,
                                  T& w) {
    const T g = grad + weight_decay * w;
    m = momentum * m + g;
    w -= lr * (nesterov ? g + momentum * m : m);
}

// `m` may be nullptr if momentum is 0.
extern Kernel<void(const SgdAttrs& attrs, const float* grad, float* m, float* w, int64_t n)>
    sgd_step;

}  // namespace gradus
