#include "quant/algorithms/gradient_sums.cuh"
#include "quant/algorithms/pact.h"

namespace gradus {

namespace {

// All pointers are device pointers.
void pact_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                        const PactClip& clip, const float* scale, const int32_t* zero_point,
                        const CodeRange& range, float* dx, float* dalpha, float* dlow) {
    gradient_sums_cuda(x, dy, layout, PactElement{clip, scale, zero_point, range}, dx, dalpha,
                       dlow);
}

const OnCuda pact_backward_on_cuda{pact_backward, pact_backward_cuda};

}  // namespace

}  // namespace gradus
