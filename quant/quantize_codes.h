// quantize_codes -- rounds an array of floats to codes.
//
// q[o,c,i] = clamp(rne(x / s[c]) + z[c], qmin, qmax)
// shapes     x [outer, channels, inner], codes alike, scale and zero point [channels]
// exactness  exact (numerics.h)
// tests      tests/numerics_test.cc (the formula), tests/fake_quantize_test.cc (arrays, every
//            layout), tests/lsq_test.cc (every device)
#pragma once

#include "quant/numerics.h"
#include "tensor/channel_layout.h"
#include "tensor/kernel.h"

namespace gradus {

struct CodeRange {
    int32_t qmin, qmax;
    bool is_signed;  // codes are int8_t, else uint8_t
};

extern Kernel<void(const float* x, const ChannelLayout& layout, const float* scale,
                   const int32_t* zero_point, const CodeRange& range, void* codes)>
    quantize_codes;

}  // namespace gradus
