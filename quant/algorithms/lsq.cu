#include "quant/algorithms/gradient_sums.cuh"
#include "quant/algorithms/lsq.h"

namespace gradus {

namespace {

// All pointers are device pointers.
void lsq_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                       const float* scale, const int32_t* zero_point, const CodeRange& range,
                       float* dx, float* ds, float* dz) {
    gradient_sums_cuda(x, dy, layout, LsqElement{scale, zero_point, range}, dx, ds, dz);
}

const OnCuda lsq_backward_on_cuda{lsq_backward, lsq_backward_cuda};

}  // namespace

}  // namespace gradus
