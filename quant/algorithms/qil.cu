#include "quant/algorithms/gradient_sums.cuh"
#include "quant/algorithms/qil.h"

namespace gradus {

namespace {

// All pointers are device pointers.
void qil_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                       const QilInterval<float>& interval, float* dx, float* dcenter,
                       float* dwidth) {
    gradient_sums_cuda(x, dy, layout, QilElement{interval}, dx, dcenter, dwidth);
}

const OnCuda qil_backward_on_cuda{qil_backward, qil_backward_cuda};

}  // namespace

}  // namespace gradus
