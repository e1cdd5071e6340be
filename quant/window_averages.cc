#include "quant/window_averages.h"

#include <algorithm>

#include "tensor/affine.h"
#include "tensor/kernels/average_pool.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

bool is_whole_image(const PoolShape& s) {
    const PoolAttrs& a = s.attrs;
    return a.kernel_h == s.h && a.kernel_w == s.w && a.pad_top == 0 && a.pad_left == 0 &&
           a.pad_bottom == 0 && a.pad_right == 0;
}

// The values s (q - z) of each window, added in row-major order.
Tensor float_sums(const PoolShape& s, const Tensor& codes, float scale, int32_t zero_point) {
    Tensor sums = Tensor::empty(s.output(), DType::F32);
    float* sum = sums.data<float>();
    const CodeReader q(codes);
    for_each_cpu(sums.numel(), [&, sum](int64_t i) {
        const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
        const int64_t image = i / s.c / s.ow / s.oh * s.h * s.w;
        sum[i] = 0.0f;
        for_each_tap(s, oh, ow, [&](int64_t h, int64_t w) {
            const int32_t centred = q[(image + h * s.w + w) * s.c + c] - zero_point;
            sum[i] += static_cast<float>(centred) * scale;
        });
    });
    return sums;
}

}  // namespace

WindowAverages::WindowAverages(PoolRule rule, const PoolShape& shape, const Tensor& codes,
                               float scale, int32_t zero_point)
    : rule_(rule == PoolRule::float_sum && is_whole_image(shape) ? PoolRule::real : rule),
      zero_point_(zero_point),
      channels_(shape.c),
      counts_(average_pool_counts(shape)),
      constants_(window_constants(rule_, scale, *std::max_element(counts_.begin(), counts_.end()))),
      sums_(Tensor::empty(shape.output(), DType::I32)) {
    average_pool_sum_codes(Device::cpu(), shape, codes.dtype(), codes.raw(), zero_point,
                           sums_.data<int32_t>());
    if (rule_ == PoolRule::float_sum) floats_ = float_sums(shape, codes, scale, zero_point);
}

int32_t WindowAverages::code(int64_t i, int32_t lo, int32_t hi) const {
    const int32_t n = counts_[i / channels_ % static_cast<int64_t>(counts_.size())];
    const WindowSum sum{sums_.data<int32_t>()[i],
                        floats_.defined() ? floats_.data<float>()[i] : 0.0f};
    return average_code(rule_, sum, n, constants_[n], zero_point_, lo, hi);
}

}  // namespace gradus
