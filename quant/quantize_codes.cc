#include "quant/quantize_codes.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

// n values of one channel.
template <class Code>
void quantize_row(const float* x, int64_t n, float s, int32_t z, const CodeRange& range,
                  Code* codes) {
    const int32_t qmin = range.qmin, qmax = range.qmax;
    for (int64_t i = 0; i < n; ++i) {
        codes[i] = static_cast<Code>(quantize_value(x[i], s, z, qmin, qmax));
    }
}

// A value of each of n channels.
template <class Code>
void quantize_channels(const float* x, int64_t n, const float* scale, const int32_t* zero_point,
                       const CodeRange& range, Code* codes) {
    const int32_t qmin = range.qmin, qmax = range.qmax;
    for (int64_t c = 0; c < n; ++c) {
        codes[c] = static_cast<Code>(quantize_value(x[c], scale[c], zero_point[c], qmin, qmax));
    }
}

template <class Code>
void quantize_all(const float* x, const ChannelLayout& layout, const float* scale,
                  const int32_t* zero_point, const CodeRange& range, Code* codes) {
    const int64_t channels = layout.channels;
    if (layout.inner == 1) {  // the last axis: neighbours have different scales
        parallel_chunks(layout.outer, 256, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin * channels; i < end * channels; i += channels) {
                quantize_channels(x + i, channels, scale, zero_point, range, codes + i);
            }
        });
        return;
    }
    constexpr int64_t chunk = int64_t{1} << 15;
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    parallel_tasks(layout.outer * channels * pieces, [&](int64_t task) {
        const int64_t row = task / pieces, c = row % channels;
        const int64_t begin = task % pieces * chunk;
        const int64_t n = std::min(chunk, layout.inner - begin);
        const int64_t offset = row * layout.inner + begin;
        quantize_row(x + offset, n, scale[c], zero_point[c], range, codes + offset);
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
