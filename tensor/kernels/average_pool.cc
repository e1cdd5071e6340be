#include "tensor/kernels/average_pool.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace gradus {

namespace {

void pool_row(const PoolShape& s, const float* image, int64_t oh, float* y) {
    for (int64_t ow = 0; ow < s.ow; ++ow, y += s.c) {
        std::fill_n(y, s.c, 0.0f);
        for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
            const float* x = image + (h * s.w + w) * s.c;
            for (int64_t c = 0; c < s.c; ++c) y[c] += x[c];
        });
        const float count = static_cast<float>(average_pool_count(s, oh, ow));
        for (int64_t c = 0; c < s.c; ++c) y[c] /= count;
    }
}

void average_pool_forward_cpu(const PoolShape& s, const float* x, float* y) {
    parallel_tasks(s.n * s.oh, [&, x, y](int64_t i) {
        pool_row(s, x + i / s.oh * s.h * s.w * s.c, i % s.oh, y + i * s.ow * s.c);
    });
}

void spread_image(const PoolShape& s, const float* dy, float* dx) {
    std::fill_n(dx, s.h * s.w * s.c, 0.0f);
    for (int64_t oh = 0; oh < s.oh; ++oh) {
        for (int64_t ow = 0; ow < s.ow; ++ow, dy += s.c) {
            const float count = static_cast<float>(average_pool_count(s, oh, ow));
            for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
                float* to = dx + (h * s.w + w) * s.c;
                for (int64_t c = 0; c < s.c; ++c) to[c] += dy[c] / count;
            });
        }
    }
}

void average_pool_backward_cpu(const PoolShape& s, const float* dy, float* dx) {
    parallel_tasks(s.n, [&, dy, dx](int64_t n) {
        spread_image(s, dy + n * s.oh * s.ow * s.c, dx + n * s.h * s.w * s.c);
    });
}

}  // namespace

constinit Kernel<void(const PoolShape&, const float*, float*)> average_pool_forward{
    "average_pool_forward", average_pool_forward_cpu};
constinit Kernel<void(const PoolShape&, const float*, float*)> average_pool_backward{
    "average_pool_backward", average_pool_backward_cpu};

}  // namespace gradus
