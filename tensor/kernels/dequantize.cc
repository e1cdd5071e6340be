#include "tensor/kernels/dequantize.h"

#include <algorithm>

#include "tensor/parallel.h"

namespace gradus {

namespace {

// Elements [begin, end) of one row: they share a scale (constant), or each has its own.
template <class Code>
void scale_row(const Code* q, int64_t n, const float* s, const int32_t* z, bool constant,
               bool one_zero, float* out) {
    if (constant) {
        for (int64_t i = 0; i < n; ++i) out[i] = affine_value(int32_t{q[i]}, *z, *s);
    } else if (one_zero) {
        for (int64_t i = 0; i < n; ++i) out[i] = affine_value(int32_t{q[i]}, *z, s[i]);
    } else {
        for (int64_t i = 0; i < n; ++i) out[i] = affine_value(int32_t{q[i]}, z[i], s[i]);
    }
}

// A row: a run of elements cut by the problem, at most row_block of them.
constexpr int64_t row_block = 4096;

template <class Code>
void run_row(const DequantizeTerm& t, int64_t begin, int64_t n, int64_t channel, bool constant,
             bool accumulate, float lower, float upper, float* y) {
    float value[row_block];
    scale_row(static_cast<const Code*>(t.codes) + begin, n, t.scale + channel,
              t.zero_point + (t.one_zero_point ? 0 : channel), constant, t.one_zero_point, value);
    if (t.count != 1.0f) {
        for (int64_t i = 0; i < n; ++i) value[i] = average_value(value[i], t.count);
    }
    float* out = y + begin;
    if (accumulate) {
        for (int64_t i = 0; i < n; ++i) value[i] = out[i] + value[i];
    }
    for (int64_t i = 0; i < n; ++i) {
        const float v = value[i] < lower ? lower : value[i];
        out[i] = v > upper ? upper : v;
    }
}

template <class Code>
void dequantize_codes(const DequantizeTerm& t, bool accumulate, float lower, float upper,
                      float* y) {
    const int64_t n = t.outer * t.channels * t.inner;
    const bool last_axis = t.inner == 1 && t.channels > 1;
    const int64_t period = last_axis ? t.channels : t.inner;
    const auto run = [&](int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t channel = last_axis ? begin % t.channels : begin / t.inner % t.channels;
            const int64_t rest = period - begin % period;
            const int64_t rows = std::min({end - begin, rest, row_block});
            run_row<Code>(t, begin, rows, channel, !last_axis, accumulate, lower, upper, y);
            begin += rows;
        }
    };
    parallel_chunks(n, int64_t{1} << 15, run);
}

void dequantize_term_cpu(const DequantizeTerm& term, bool accumulate, float lower, float upper,
                         float* y) {
    switch (term.dtype) {
        case DType::I8:
            return dequantize_codes<int8_t>(term, accumulate, lower, upper, y);
        case DType::U8:
            return dequantize_codes<uint8_t>(term, accumulate, lower, upper, y);
        case DType::I32:
            return dequantize_codes<int32_t>(term, accumulate, lower, upper, y);
        default:
            fail(ErrorKind::runtime, "dequantize: codes are I8, U8 or I32, got ", term.dtype);
    }
}

}  // namespace

constinit Kernel<void(const DequantizeTerm&, bool, float, float, float*)> dequantize_term{
    "dequantize_term", dequantize_term_cpu};

}  // namespace gradus
