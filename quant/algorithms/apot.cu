#include "quant/algorithms/apot.h"
#include "quant/algorithms/gradient_sums.cuh"

namespace gradus {

namespace {

// All pointers, element.alpha included, are device pointers.
void apot_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                        const ApotElement& element, float* dx, float* dalpha) {
    gradient_sums_cuda(x, dy, layout, element, dx, dalpha, nullptr);
}

const OnCuda apot_backward_on_cuda{apot_backward, apot_backward_cuda};

}  // namespace

}  // namespace gradus
