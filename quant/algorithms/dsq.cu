#include "quant/algorithms/dsq.h"
#include "tensor/for_each_cuda.cuh"

namespace gradus {

namespace {

// All pointers are device pointers.
void dsq_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                       const float* scale, const int32_t* zero_point, const CodeRange& range,
                       float* dx) {
    for_each_cuda(layout.numel(), DsqBackward{x, dy, layout, scale, zero_point, range, dx});
}

const OnCuda dsq_backward_on_cuda{dsq_backward, dsq_backward_cuda};

}  // namespace

}  // namespace gradus
