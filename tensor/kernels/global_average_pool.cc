#include "tensor/kernels/global_average_pool.h"

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

void global_average_pool_forward_cpu(const PixelsShape& s, const float* x, float* y) {
    parallel_tasks(s.n, [=](int64_t n) {
        const float* image = x + n * s.pixels * s.c;
        std::vector<double> sums(s.c);
        add_columns<1>(
            0, s.pixels, s.c,
            [=](auto load, int64_t p, int64_t c) { return std::array{load(image + p * s.c + c)}; },
            sums.data());
        for (int64_t c = 0; c < s.c; ++c) {
            y[n * s.c + c] = static_cast<float>(sums[c] / static_cast<double>(s.pixels));
        }
    });
}

void global_average_pool_backward_cpu(const PixelsShape& s, const float* dy, float* dx) {
    const float pixels = static_cast<float>(s.pixels);
    parallel_tasks(s.n, [=](int64_t n) {
        const float* from = dy + n * s.c;
        float* to = dx + n * s.pixels * s.c;
        for (int64_t c = 0; c < s.c; ++c) to[c] = from[c] / pixels;
        for (int64_t p = 1; p < s.pixels; ++p) std::copy_n(to, s.c, to + p * s.c);
    });
}

template <class Code>
void sum_codes(const PixelsShape& s, const void* codes, int32_t* sums) {
    const Code* q = static_cast<const Code*>(codes);
    parallel_tasks(s.n, [=](int64_t n) {
        int32_t* sum = sums + n * s.c;
        std::fill_n(sum, s.c, 0);
        for (int64_t p = 0; p < s.pixels; ++p) {
            const Code* pixel = q + (n * s.pixels + p) * s.c;
            for (int64_t c = 0; c < s.c; ++c) sum[c] += int32_t{pixel[c]};
        }
    });
}

void global_sum_pool_codes_cpu(const PixelsShape& s, DType dtype, const void* codes,
                               int32_t* sums) {
    switch (dtype) {
        case DType::I8:
            return sum_codes<int8_t>(s, codes, sums);
        case DType::U8:
            return sum_codes<uint8_t>(s, codes, sums);
        default:
            fail(ErrorKind::runtime, "global_average_pool: codes are I8 or U8, got ", dtype);
    }
}

}  // namespace

constinit Kernel<void(const PixelsShape&, const float*, float*)> global_average_pool_forward{
    "global_average_pool_forward", global_average_pool_forward_cpu};
constinit Kernel<void(const PixelsShape&, const float*, float*)> global_average_pool_backward{
    "global_average_pool_backward", global_average_pool_backward_cpu};
constinit Kernel<void(const PixelsShape&, DType, const void*, int32_t*)> global_sum_pool_codes{
    "global_sum_pool_codes", global_sum_pool_codes_cpu};

}  // namespace gradus
