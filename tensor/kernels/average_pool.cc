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

template <class Code>
void sum_row(const PoolShape& s, const Code* image, int32_t zero_point, int64_t oh, int32_t* sum) {
    for (int64_t ow = 0; ow < s.ow; ++ow, sum += s.c) {
        int64_t padding = average_pool_count(s, oh, ow);
        std::fill_n(sum, s.c, 0);
        for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
            const Code* q = image + (h * s.w + w) * s.c;
            for (int64_t c = 0; c < s.c; ++c) sum[c] += int32_t{q[c]};
            --padding;
        });
        for (int64_t c = 0; c < s.c; ++c) sum[c] += static_cast<int32_t>(padding) * zero_point;
    }
}

template <class Code>
void sum_codes(const PoolShape& s, const void* codes, int32_t zero_point, int32_t* sums) {
    const Code* q = static_cast<const Code*>(codes);
    parallel_tasks(s.n * s.oh, [&, q, sums](int64_t i) {
        sum_row(s, q + i / s.oh * s.h * s.w * s.c, zero_point, i % s.oh, sums + i * s.ow * s.c);
    });
}

void average_pool_sum_codes_cpu(const PoolShape& s, DType dtype, const void* codes,
                                int32_t zero_point, int32_t* sums) {
    check(dtype == DType::I8 || dtype == DType::U8, "average_pool2d: codes are I8 or U8, got ",
          dtype);
    (dtype == DType::I8 ? sum_codes<int8_t> : sum_codes<uint8_t>)(s, codes, zero_point, sums);
}

}  // namespace

constinit Kernel<void(const PoolShape&, const float*, float*)> average_pool_forward{
    "average_pool_forward", average_pool_forward_cpu};
constinit Kernel<void(const PoolShape&, const float*, float*)> average_pool_backward{
    "average_pool_backward", average_pool_backward_cpu};
constinit Kernel<void(const PoolShape&, DType, const void*, int32_t, int32_t*)>
    average_pool_sum_codes{"average_pool_sum_codes", average_pool_sum_codes_cpu};

}  // namespace gradus
