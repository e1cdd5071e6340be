#include "quant/quantize_codes.h"

#include "quant/map_channels.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

template <class Code>
void quantize_all(const float* x, const ChannelLayout& layout, const float* scale,
                  const int32_t* zero_point, const CodeRange& range, Code* codes) {
    const auto value = [x, range](int64_t i, float s, int32_t z) {
        return quantize_value(x[i], s, z, range.qmin, range.qmax);
    };
    parallel_chunks(layout.numel(), int64_t{1} << 15, [&](int64_t begin, int64_t end) {
        map_channels(layout, scale, zero_point, begin, end, value, codes + begin);
    });
}

void quantize_codes_cpu(const float* x, const ChannelLayout& layout, const float* scale,
                        const int32_t* zero_point, const CodeRange& range, void* codes) {
    if (range.is_signed) {
        quantize_all(x, layout, scale, zero_point, range, static_cast<int8_t*>(codes));
    } else {
        quantize_all(x, layout, scale, zero_point, range, static_cast<uint8_t*>(codes));
    }
}

}  // namespace

constinit Kernel<void(const float*, const ChannelLayout&, const float*, const int32_t*,
                      const CodeRange&, void*)>
    quantize_codes{"quantize_codes", quantize_codes_cpu};

}  // namespace gradus
