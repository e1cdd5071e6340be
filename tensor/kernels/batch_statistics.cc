#include "tensor/kernels/batch_statistics.h"

#include "tensor/kernels/column_moments.h"
#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

float follow(float running, float momentum, double batch) {
    return static_cast<float>((1.0 - double{momentum}) * running + momentum * batch);
}

void batch_mean_forward_cpu(const BatchStatistic& p) {
    const Moments batch = column_moments(p.u, p.rows, p.channels);
    for (int64_t c = 0; c < p.channels; ++c) {
        p.mean[c] = static_cast<float>(batch.mean[c]);
        p.running[c] = follow(p.running[c], p.momentum, batch.mean[c]);
    }
}

void batch_variance_forward_cpu(const BatchStatistic& p, float* variance) {
    const Moments batch = column_moments(p.u, p.rows, p.channels);
    const double bessel = static_cast<double>(p.rows) / static_cast<double>(p.rows - 1);
    for (int64_t c = 0; c < p.channels; ++c) {
        p.mean[c] = static_cast<float>(batch.mean[c]);
        variance[c] = static_cast<float>(batch.variance[c]);
        p.running[c] = follow(p.running[c], p.momentum, batch.variance[c] * bessel);
    }
}

void batch_mean_backward_cpu(const float* dmean, int64_t rows, int64_t channels, float* du) {
    parallel_chunks(rows, column_chunk_rows(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            for (int64_t c = 0; c < channels; ++c) {
                du[r * channels + c] = batch_mean_slope(dmean[c], static_cast<float>(rows));
            }
        }
    });
}

void batch_variance_backward_cpu(const float* u, const float* mean, const float* dvariance,
                                 int64_t rows, int64_t channels, float* du) {
    parallel_chunks(rows, column_chunk_rows(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t i = r * channels + c;
                du[i] = batch_variance_slope(u[i], mean[c], dvariance[c], static_cast<float>(rows));
            }
        }
    });
}

}  // namespace

constinit Kernel<void(const BatchStatistic&)> batch_mean_forward{"batch_mean_forward",
                                                                 batch_mean_forward_cpu};
constinit Kernel<void(const BatchStatistic&, float*)> batch_variance_forward{
    "batch_variance_forward", batch_variance_forward_cpu};
constinit Kernel<void(const float*, int64_t, int64_t, float*)> batch_mean_backward{
    "batch_mean_backward", batch_mean_backward_cpu};
constinit Kernel<void(const float*, const float*, const float*, int64_t, int64_t, float*)>
    batch_variance_backward{"batch_variance_backward", batch_variance_backward_cpu};

}  // namespace gradus
