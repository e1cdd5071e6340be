#include "tensor/kernels/conv2d_codes_saturating.h"

#include <numeric>
#include <vector>

#include "tensor/kernels/conv2d_codes_offset.h"
#include "tensor/kernels/im2col.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

// The weights as s8, and the terms that do not depend on x.
struct Filters {
    std::vector<int8_t> codes;  // [O, K]
    std::vector<int32_t> zero_points;
    std::vector<int64_t> constant;  // bias - zx sum w + K zx zw

    Filters(const ConvCodes& conv, int32_t zx) : codes(conv.shape.o * conv.shape.k()) {
        const int64_t k = conv.shape.k();
        const SignedWeights w(conv);
        for (int64_t i = 0; i < conv.shape.o * k; ++i) codes[i] = w.code(i);
        for (int64_t o = 0; o < conv.shape.o; ++o) {
            const int64_t sum =
                std::accumulate(codes.begin() + o * k, codes.begin() + (o + 1) * k, int64_t{0});
            zero_points.push_back(w.zero_point(o));
            constant.push_back((conv.bias ? conv.bias[o] : 0) - zx * sum +
                               k * zx * zero_points.back());
        }
    }
};

// The offset that turns codes of x into u8.
int32_t offset(const ConvCodes& conv) {
    return conv.x_signed ? 128 : 0;
}

// The windows [rows, K] of one group as u8 codes.
std::vector<uint8_t> windows(const ConvCodes& conv, int64_t group, int64_t row, int64_t rows) {
    const Conv2dShape& s = conv.shape;
    std::vector<uint8_t> column(rows * s.k());
    const Im2colBlock block{row, rows, 0, s.kh * s.kw, group * s.group_in(), s.group_in()};
    const Im2colValues<uint8_t> values{static_cast<uint8_t>(offset(conv)),
                                       static_cast<uint8_t>(conv.x_zero_point + offset(conv))};
    if (conv.x_signed) {
        im2col(static_cast<const int8_t*>(conv.x), s, block, values, column.data(), s.k());
    } else {
        im2col(static_cast<const uint8_t*>(conv.x), s, block, values, column.data(), s.k());
    }
    return column;
}

// acc[r, o] of one group.
void accumulate_group(const ConvCodes& conv, const Filters& filters, int64_t group, int64_t row,
                      int64_t rows, int32_t* acc) {
    const Conv2dShape& s = conv.shape;
    const int64_t k = s.k(), first = group * s.group_out();
    const std::vector<uint8_t> column = windows(conv, group, row, rows);
    for (int64_t r = 0; r < rows; ++r) {
        const uint8_t* x = column.data() + r * k;
        const int64_t x_sum = std::accumulate(x, x + k, int64_t{0});
        for (int64_t o = first; o < first + s.group_out(); ++o) {
            const int64_t raw = saturating_sum(conv.policy, x, filters.codes.data() + o * k, k);
            acc[r * s.o + o] =
                static_cast<int32_t>(raw - filters.zero_points[o] * x_sum + filters.constant[o]);
        }
    }
}

}  // namespace

int32_t saturating_sum(AccumulatorPolicy policy, const uint8_t* a, const int8_t* b, int64_t k) {
    const bool acc16 = policy == AccumulatorPolicy::acc16;
    int32_t sum = 0, sum16 = 0;
    for (int64_t i = 0; i < k; i += 2) {
        const int32_t second = i + 1 < k ? a[i + 1] * b[i + 1] : 0;
        const int32_t pair = saturate16(a[i] * b[i] + second);
        if (!acc16) {
            sum += pair;
            continue;
        }
        sum16 = saturate16(sum16 + pair);
        if (i + 2 >= k || (i + 2) % acc16_run == 0) {
            sum += sum16;
            sum16 = 0;
        }
    }
    return sum;
}

void conv2d_codes_saturating(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const Conv2dShape& s = conv.shape;
    const int32_t zx = conv.x_zero_point + offset(conv);
    check(zx >= 0 && zx <= 255, "conv2d_codes: padding has no code, as the zero point ",
          conv.x_zero_point, " is none; use AccumulatorPolicy::exact");
    const Filters filters(conv, zx);
    parallel_chunks(s.n * s.oh * s.ow, 16, [&](int64_t begin, int64_t end) {
        std::vector<int32_t> acc((end - begin) * s.o);
        for (int64_t group = 0; group < s.attrs.groups; ++group) {
            accumulate_group(conv, filters, group, begin, end - begin, acc.data());
        }
        epilogue(begin, end - begin, acc.data());
    });
}

}  // namespace gradus
