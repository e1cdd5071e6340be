#include "tensor/kernels/max_pool.h"

#include <algorithm>
#include <vector>

#include "tensor/parallel.h"

namespace gradus {

namespace {

// One row of output pixels; the inner loops run along the channels.
template <class T>
void pool_row(const PoolShape& s, const T* image, int64_t oh, T* y) {
    for (int64_t ow = 0; ow < s.ow; ++ow, y += s.c) {
        bool first = true;
        for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
            const T* x = image + (h * s.w + w) * s.c;
            if (first) std::copy_n(x, s.c, y);
            first = false;
            for (int64_t c = 0; c < s.c; ++c) y[c] = max_pool_wins(x[c], y[c]) ? x[c] : y[c];
        });
    }
}

template <class T>
void forward(const PoolShape& s, const void* x, void* y) {
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    parallel_tasks(s.n * s.oh, [&, from, to](int64_t i) {
        pool_row(s, from + i / s.oh * s.h * s.w * s.c, i % s.oh, to + i * s.ow * s.c);
    });
}

// Scatters dy of one image; windows overlap, so the order is the same as in the readable kernel.
template <class T>
void scatter_image(const PoolShape& s, const T* x, const float* dy, float* dx) {
    std::fill_n(dx, s.h * s.w * s.c, 0.0f);
    std::vector<T> best(s.c);
    std::vector<int32_t> pixel(s.c);
    for (int64_t oh = 0; oh < s.oh; ++oh) {
        for (int64_t ow = 0; ow < s.ow; ++ow, dy += s.c) {
            bool first = true;
            for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
                const int32_t here = static_cast<int32_t>(h * s.w + w);
                const T* tap = x + here * s.c;
                for (int64_t c = 0; c < s.c; ++c) {
                    const bool wins = first || max_pool_wins(tap[c], best[c]);
                    best[c] = wins ? tap[c] : best[c];
                    pixel[c] = wins ? here : pixel[c];
                }
                first = false;
            });
            for (int64_t c = 0; c < s.c; ++c) dx[pixel[c] * s.c + c] += dy[c];
        }
    }
}

template <class T>
void backward(const PoolShape& s, const void* x, const float* dy, float* dx) {
    const T* from = static_cast<const T*>(x);
    parallel_tasks(s.n, [&, from, dy, dx](int64_t n) {
        const int64_t in = n * s.h * s.w * s.c, out = n * s.oh * s.ow * s.c;
        scatter_image(s, from + in, dy + out, dx + in);
    });
}

void max_pool_forward_cpu(const PoolShape& shape, DType dtype, const void* x, void* y) {
    switch (dtype) {
        case DType::F32:
            return forward<float>(shape, x, y);
        case DType::I8:
            return forward<int8_t>(shape, x, y);
        case DType::U8:
            return forward<uint8_t>(shape, x, y);
        default:
            fail(ErrorKind::runtime, "max_pool2d: reads F32, I8 or U8, got ", dtype);
    }
}

void max_pool_backward_cpu(const PoolShape& shape, DType dtype, const void* x, const float* dy,
                           float* dx) {
    switch (dtype) {
        case DType::F32:
            return backward<float>(shape, x, dy, dx);
        case DType::I8:
            return backward<int8_t>(shape, x, dy, dx);
        case DType::U8:
            return backward<uint8_t>(shape, x, dy, dx);
        default:
            fail(ErrorKind::runtime, "max_pool2d: reads F32, I8 or U8, got ", dtype);
    }
}

}  // namespace

constinit Kernel<void(const PoolShape&, DType, const void*, void*)> max_pool_forward{
    "max_pool_forward", max_pool_forward_cpu};
constinit Kernel<void(const PoolShape&, DType, const void*, const float*, float*)>
    max_pool_backward{"max_pool_backward", max_pool_backward_cpu};

}  // namespace gradus
