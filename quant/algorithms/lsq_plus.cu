#include "quant/algorithms/gradient_sums.cuh"
#include "quant/algorithms/lsq_plus.h"

namespace gradus {

namespace {

// All pointers are device pointers.
void real_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                        const float* scale, const float* beta, const CodeRange& range, float* dx,
                        float* ds, float* dbeta) {
    gradient_sums_cuda(x, dy, layout, LsqPlusRealElement{scale, beta, range}, dx, ds, dbeta);
}

void integer_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                           const float* scale, const int32_t* zero_point, const float* shift,
                           const CodeRange& range, float* dx, float* ds, float* dbeta) {
    gradient_sums_cuda(x, dy, layout, LsqPlusIntegerElement{scale, zero_point, shift, range}, dx,
                       ds, dbeta);
}

const OnCuda real_on_cuda{lsq_plus_real_backward, real_backward_cuda};
const OnCuda integer_on_cuda{lsq_plus_integer_backward, integer_backward_cuda};

}  // namespace

}  // namespace gradus
