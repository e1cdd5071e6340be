#include "quant/quantize_codes.h"

#include "tensor/parallel.h"

namespace gradus {

namespace {

template <class Code>
void quantize_row(const float* x, int64_t n, float s, const CodeRange& range, Code* codes) {
    const int32_t z = range.zero_point, qmin = range.qmin, qmax = range.qmax;
    for (int64_t i = 0; i < n; ++i) {
        codes[i] = static_cast<Code>(quantize_value(x[i], s, z, qmin, qmax));
    }
}

template <class Code>
void quantize_all(const float* x, const ChannelLayout& layout, const float* scale,
                  const CodeRange& range, Code* codes) {
    if (layout.inner == 1) {  // the last axis: neighbours have different scales
        parallel_chunks(layout.outer, 256, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin * layout.channels; i < end * layout.channels; ++i) {
                quantize_row(x + i, 1, scale[i % layout.channels], range, codes + i);
            }
        });
        return;
    }
    constexpr int64_t chunk = int64_t{1} << 15;
    const int64_t pieces = (layout.inner + chunk - 1) / chunk;
    parallel_tasks(layout.outer * layout.channels * pieces, [&](int64_t task) {
        const int64_t row = task / pieces;
        const int64_t begin = task % pieces * chunk;
        const int64_t n = std::min(chunk, layout.inner - begin);
        const int64_t offset = row * layout.inner + begin;
        quantize_row(x + offset, n, scale[row % layout.channels], range, codes + offset);
    });
}

void quantize_codes_cpu(const float* x, const ChannelLayout& layout, const float* scale,
                        const CodeRange& range, void* codes) {
    if (range.is_signed) {
        quantize_all(x, layout, scale, range, static_cast<int8_t*>(codes));
    } else {
        quantize_all(x, layout, scale, range, static_cast<uint8_t*>(codes));
    }
}

}  // namespace

constinit Kernel<void(const float*, const ChannelLayout&, const float*, const CodeRange&, void*)>
    quantize_codes{"quantize_codes", quantize_codes_cpu};

}  // namespace gradus
