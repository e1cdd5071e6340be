#include "quant/fake_quantize.h"
#include "tensor/for_each_cuda.cuh"

namespace gradus {

namespace {

// Quantizes one element by its channel's scale and zero point. All pointers are the device's.
struct FakeQuantizeElement {
    const float* x;
    ChannelLayout layout;
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    float* x_hat;

    HOST_DEVICE void operator()(int64_t i) const {
        const int64_t c = i / layout.inner % layout.channels;
        x_hat[i] = fake_quantize_value(x[i], scale[c], zero_point[c], range.qmin, range.qmax);
    }
};

struct StraightThroughElement {
    const float* x;
    const float* dy;
    ChannelLayout layout;
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    float* dx;

    HOST_DEVICE void operator()(int64_t i) const {
        const int64_t c = i / layout.inner % layout.channels;
        dx[i] =
            straight_through_value(x[i], dy[i], scale[c], static_cast<float>(zero_point[c]),
                                   static_cast<float>(range.qmin), static_cast<float>(range.qmax));
    }
};

void fake_quantize_cuda(const float* x, const ChannelLayout& layout, const float* scale,
                        const int32_t* zero_point, const CodeRange& range, float* x_hat) {
    for_each_cuda(layout.numel(), FakeQuantizeElement{x, layout, scale, zero_point, range, x_hat});
}

void straight_through_backward_cuda(const float* x, const float* dy, const ChannelLayout& layout,
                                    const float* scale, const int32_t* zero_point,
                                    const CodeRange& range, float* dx) {
    for_each_cuda(layout.numel(),
                  StraightThroughElement{x, dy, layout, scale, zero_point, range, dx});
}

const OnCuda fake_quantize_on_cuda{fake_quantize, fake_quantize_cuda};
const OnCuda straight_through_on_cuda{straight_through_backward, straight_through_backward_cuda};

}  // namespace

}  // namespace gradus
