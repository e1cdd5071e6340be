#include "quant/fake_quantize.h"

#include <immintrin.h>

#include "quant/map_channels.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int64_t chunk = int64_t{1} << 15;         // elements of one task
constexpr int64_t block = 512;                      // elements that wait in L1 to be streamed
constexpr int64_t stream_from = int64_t{64} << 20;  // bytes: more than caches keep for a reader
constexpr int64_t lanes = 8;                        // floats of a streaming store

bool is_aligned(const float* p) {
    return reinterpret_cast<uintptr_t>(p) % (lanes * sizeof(float)) == 0;
}

// Writes with streaming stores. Both ends are aligned to a vector.
void stream(const float* from, int64_t n, float* to) {
    const int64_t whole = n / lanes * lanes;
    for (int64_t i = 0; i < whole; i += lanes) _mm256_stream_ps(to + i, _mm256_load_ps(from + i));
    std::copy(from + whole, from + n, to + whole);
}

// Fills y[0, n): compute(begin, end, out) writes the elements of [begin, end) to out.
template <class Compute>
void write_array(int64_t n, float* y, const Compute& compute) {
    const bool streaming = n * int64_t{sizeof(float)} >= stream_from && is_aligned(y);
    parallel_chunks(n, chunk, [&](int64_t begin, int64_t end) {
        if (!streaming) return compute(begin, end, y + begin);
        alignas(64) float waiting[block];
        for (int64_t i = begin; i < end; i += block) {
            const int64_t size = std::min(block, end - i);
            compute(i, i + size, waiting);
            stream(waiting, size, y + i);
        }
        _mm_sfence();  // the end of a task does not order streaming stores
    });
}

void fake_quantize_cpu(const float* x, const ChannelLayout& layout, const float* scale,
                       const int32_t* zero_point, const CodeRange& range, float* x_hat) {
    const auto value = [x, range](int64_t i, float s, int32_t z) {
        return fake_quantize_value(x[i], s, z, range.qmin, range.qmax);
    };
    write_array(layout.numel(), x_hat, [&](int64_t begin, int64_t end, float* out) {
        map_channels(layout, scale, zero_point, begin, end, value, out);
    });
}

void straight_through_backward_cpu(const float* x, const float* dy, const ChannelLayout& layout,
                                   const float* scale, const int32_t* zero_point,
                                   const CodeRange& range, float* dx) {
    const float qmin = static_cast<float>(range.qmin), qmax = static_cast<float>(range.qmax);
    const auto value = [=](int64_t i, float s, int32_t z) {
        return straight_through_value(x[i], dy[i], s, static_cast<float>(z), qmin, qmax);
    };
    write_array(layout.numel(), dx, [&](int64_t begin, int64_t end, float* out) {
        map_channels(layout, scale, zero_point, begin, end, value, out);
    });
}

}  // namespace

constinit Kernel<void(const float*, const ChannelLayout&, const float*, const int32_t*,
                      const CodeRange&, float*)>
    fake_quantize{"fake_quantize", fake_quantize_cpu};

constinit Kernel<void(const float*, const float*, const ChannelLayout&, const float*,
                      const int32_t*, const CodeRange&, float*)>
    straight_through_backward{"straight_through_backward", straight_through_backward_cpu};

}  // namespace gradus
