// gradient_terms -- the contribution of one element to a quantizer's gradients.
#pragma once

#include <cstdint>

#include "tensor/channel_layout.h"
#include "tensor/kernel.h"

namespace gradus {

template <class T>
struct GradientTerms {
    T dx, d0, d1;
};

struct GradientSums {
    double d0 = 0.0, d1 = 0.0;
};

constexpr int64_t gradient_chunk = int64_t{1} << 15;  // elements of one task

}  // namespace gradus
