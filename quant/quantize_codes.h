// quantize_codes -- an array of floats to its codes.
//
// q[o,c,i] = clamp(rne(x / s[c]) + z, qmin, qmax)
// shapes     x [outer, channels, inner], codes alike, scale [channels], zero point one for all
// exactness  exact (numerics.h)
// tests      tests/numerics_test.cc (the formula), tests/lsq_test.cc (arrays, every device)
#pragma once

#include "quant/numerics.h"
#include "tensor/channel_layout.h"
#include "tensor/kernel.h"

namespace gradus {

struct CodeRange {
    int32_t zero_point;
    int32_t qmin, qmax;
    bool is_signed;  // codes are int8_t, else uint8_t
};

extern Kernel<void(const float* x, const ChannelLayout& layout, const float* scale,
                   const CodeRange& range, void* codes)>
    quantize_codes;

}  // namespace gradus
