// adamw -- one step of Adam with decoupled weight decay
//          w <- w - lr weight_decay w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g g
//          w <- w - (lr / c1) m / (sqrt(v) / sqrt(c2) + eps),  c1 = 1 - b1^t,  c2 = 1 - b2^t
//          (Loshchilov & Hutter, ICLR 2019, algorithm 2, in the form of PyTorch's AdamW)
// shapes    all [n]                  dtype f32; w, m and v are updated in place
// exactness exact: each element alone, operations in the order written
// tests     tests/adamw_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

struct AdamwAttrs {
    float lr;
    float beta1 = 0.9f, beta2 = 0.999f;
    float eps = 1e-8f;
    float weight_decay = 0.0f;
    float correction1 = 1.0f;       // c1 of this step
    float sqrt_correction2 = 1.0f;  // sqrt(c2) of this step
};

template <class T>
HOST_DEVICE inline void adamw_value(const AdamwAttrs& a, T g, T& m, T& v, T& w) {
    w *= T(1) - T(a.lr) * T(a.weight_decay);
    m = T(a.beta1) * m + (T(1) - T(a.beta1)) * g;
    v = T(a.beta2) * v + (T(1) - T(a.beta2)) * g * g;
    w -= T(a.lr) / T(a.correction1) * (m / (std::sqrt(v) / T(a.sqrt_correction2) + T(a.eps)));
}

extern Kernel<void(const AdamwAttrs& attrs, const float* grad, float* m, float* v, float* w,
                   int64_t n)>
    adamw_step;

}  // namespace gradus
