#include "quant/quantize_codes.h"
#include "tensor/for_each_cuda.cuh"

namespace gradus {

namespace {

template <class Code>
struct QuantizeElement {
    const float* x;
    ChannelLayout layout;
    const float* scale;
    const int32_t* zero_point;
    CodeRange range;
    Code* codes;

    HOST_DEVICE void operator()(int64_t i) const {
        const int64_t c = i / layout.inner % layout.channels;
        codes[i] = static_cast<Code>(
            quantize_value(x[i], scale[c], zero_point[c], range.qmin, range.qmax));
    }
};

// x, scale, zero_point and codes are device pointers.
void quantize_codes_cuda(const float* x, const ChannelLayout& layout, const float* scale,
                         const int32_t* zero_point, const CodeRange& range, void* codes) {
    if (range.is_signed) {
        for_each_cuda(layout.numel(), QuantizeElement<int8_t>{x, layout, scale, zero_point, range,
                                                              static_cast<int8_t*>(codes)});
    } else {
        for_each_cuda(layout.numel(), QuantizeElement<uint8_t>{x, layout, scale, zero_point, range,
                                                               static_cast<uint8_t*>(codes)});
    }
}

const OnCuda quantize_codes_on_cuda{quantize_codes, quantize_codes_cuda};

}  // namespace

}  // namespace gradus
