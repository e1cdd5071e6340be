#include "tensor/kernels/axis_scale.h"

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

// f varies along the row.
template <bool divide>
void scale_columns(const ChannelLayout& s, const float* x, const float* f, float* y) {
    parallel_chunks(s.outer, column_chunk_rows(s.channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float* in = x + r * s.channels;
            float* out = y + r * s.channels;
            for (int64_t c = 0; c < s.channels; ++c) out[c] = divide ? in[c] / f[c] : in[c] * f[c];
        }
    });
}

// f is constant along the row.
template <bool divide>
void scale_rows(const ChannelLayout& s, const float* x, const float* f, float* y) {
    parallel_chunks(s.outer * s.channels, std::max<int64_t>(1, (1 << 15) / s.inner),
                    [=](int64_t begin, int64_t end) {
                        for (int64_t r = begin; r < end; ++r) {
                            const float factor = f[r % s.channels];
                            const float* in = x + r * s.inner;
                            float* out = y + r * s.inner;
                            for (int64_t i = 0; i < s.inner; ++i) {
                                out[i] = divide ? in[i] / factor : in[i] * factor;
                            }
                        }
                    });
}

void axis_scale_forward_cpu(const ChannelLayout& s, const float* x, const float* f, bool divide,
                            float* y) {
    if (s.inner == 1) {
        return divide ? scale_columns<true>(s, x, f, y) : scale_columns<false>(s, x, f, y);
    }
    return divide ? scale_rows<true>(s, x, f, y) : scale_rows<false>(s, x, f, y);
}

// Each row of `inner` elements is read as [inner / 32, 32] and summed by columns, then across.
double dot_row(const float* a, const float* b, int64_t n) {
    constexpr int64_t lanes = 32;
    double part[lanes] = {};
    const auto term = [=](auto load, int64_t r, int64_t c) {
        return std::array{load(a + r * lanes + c) * load(b + r * lanes + c)};
    };
    add_columns<1>(0, n / lanes, lanes, term, part);
    double sum = 0;
    for (double value : part) sum += value;
    for (int64_t i = n / lanes * lanes; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

void axis_scale_factor_gradient_cpu(const ChannelLayout& s, const float* saved, const float* f,
                                    bool divide, const float* dy, float* df) {
    const auto finish = [=](int64_t c, double sum) {
        df[c] = static_cast<float>(divide ? -sum / double{f[c]} : sum);
    };
    if (s.inner == 1) {
        const std::vector<double> sums =
            column_sums<1>(s.outer, s.channels, [=](auto load, int64_t r, int64_t c) {
                return std::array{load(dy + r * s.channels + c) * load(saved + r * s.channels + c)};
            });
        for (int64_t c = 0; c < s.channels; ++c) finish(c, sums[c]);
        return;
    }
    parallel_tasks(s.channels, [=](int64_t c) {
        double sum = 0;
        for (int64_t o = 0; o < s.outer; ++o) {
            const int64_t at = (o * s.channels + c) * s.inner;
            sum += dot_row(dy + at, saved + at, s.inner);
        }
        finish(c, sum);
    });
}

}  // namespace

constinit Kernel<void(const ChannelLayout&, const float*, const float*, bool, float*)>
    axis_scale_forward{"axis_scale_forward", axis_scale_forward_cpu};
constinit Kernel<void(const ChannelLayout&, const float*, const float*, bool, const float*, float*)>
    axis_scale_factor_gradient{"axis_scale_factor_gradient", axis_scale_factor_gradient_cpu};

}  // namespace gradus
