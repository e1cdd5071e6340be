#include "tensor/kernels/add_axis.h"

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

void add_row(const ChannelLayout& s, const float* x, const float* b, float* y) {
    if (s.inner == 1) {
        for (int64_t c = 0; c < s.channels; ++c) y[c] = x[c] + b[c];
        return;
    }
    for (int64_t c = 0; c < s.channels; ++c) {
        for (int64_t i = c * s.inner; i < (c + 1) * s.inner; ++i) y[i] = x[i] + b[c];
    }
}

void add_axis_forward_cpu(const ChannelLayout& s, const float* x, const float* b, float* y) {
    const int64_t row = s.channels * s.inner;
    parallel_chunks(s.outer, column_chunk_rows(row), [=](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) add_row(s, x + o * row, b, y + o * row);
    });
}

void add_axis_backward_cpu(const ChannelLayout& s, const float* dy, float* db) {
    if (s.inner == 1) {
        const std::vector<double> sums =
            column_sums<1>(s.outer, s.channels, [=](auto load, int64_t r, int64_t c) {
                return std::array{load(dy + r * s.channels + c)};
            });
        for (int64_t c = 0; c < s.channels; ++c) db[c] = static_cast<float>(sums[c]);
        return;
    }
    parallel_tasks(s.channels, [=](int64_t c) {
        double sum = 0;
        for (int64_t o = 0; o < s.outer; ++o) {
            const int64_t at = (o * s.channels + c) * s.inner;
            for (int64_t i = at; i < at + s.inner; ++i) sum += dy[i];
        }
        db[c] = static_cast<float>(sum);
    });
}

}  // namespace

constinit Kernel<void(const ChannelLayout&, const float*, const float*, float*)> add_axis_forward{
    "add_axis_forward", add_axis_forward_cpu};
constinit Kernel<void(const ChannelLayout&, const float*, float*)> add_axis_backward{
    "add_axis_backward", add_axis_backward_cpu};

}  // namespace gradus
