#include "tensor/kernels/batch_norm.h"

#include <vector>

#include "tensor/kernels/column_moments.h"
#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

void normalise(const float* x, const float* mean, const float* scale, const float* beta,
               int64_t rows, int64_t channels, float* y) {
    parallel_chunks(rows, column_chunk_rows(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float* in = x + r * channels;
            float* out = y + r * channels;
            for (int64_t c = 0; c < channels; ++c) {
                out[c] = batch_norm_value(in[c], mean[c], scale[c], beta[c]);
            }
        }
    });
}

void batch_norm_forward_cpu(const BatchNormForward& p) {
    const Moments batch = column_moments(p.x, p.rows, p.channels);
    std::vector<float> scale(p.channels);
    const double bessel = static_cast<double>(p.rows) / static_cast<double>(p.rows - 1);
    for (int64_t c = 0; c < p.channels; ++c) {
        p.mean[c] = static_cast<float>(batch.mean[c]);
        p.inv_std[c] = static_cast<float>(1.0 / std::sqrt(batch.variance[c] + double{p.eps}));
        scale[c] = p.gamma[c] * p.inv_std[c];
        const double keep = 1.0 - double{p.momentum};
        p.running_mean[c] =
            static_cast<float>(keep * p.running_mean[c] + p.momentum * batch.mean[c]);
        p.running_var[c] =
            static_cast<float>(keep * p.running_var[c] + p.momentum * batch.variance[c] * bessel);
    }
    normalise(p.x, p.mean, scale.data(), p.beta, p.rows, p.channels, p.y);
}

void batch_norm_eval_forward_cpu(const BatchNormForward& p) {
    std::vector<float> scale(p.channels);
    for (int64_t c = 0; c < p.channels; ++c) {
        const float deviation = std::sqrt(p.running_var[c] + p.eps);
        p.mean[c] = p.running_mean[c];
        p.inv_std[c] = 1.0f / deviation;
        scale[c] = p.gamma[c] / deviation;
    }
    normalise(p.x, p.mean, scale.data(), p.beta, p.rows, p.channels, p.y);
}

// Fills dgamma and dbeta; returns dgamma / inv_std and dbeta in double, [2][channels].
std::vector<double> parameter_gradients(const BatchNormBackward& p) {
    const std::vector<double> sums =
        column_sums<2>(p.rows, p.channels, [=](auto load, int64_t r, int64_t c) {
            const int64_t i = r * p.channels + c;
            const auto dy = load(p.dy + i);
            return std::array{dy * (load(p.x + i) - load(p.mean + c)), dy};
        });
    for (int64_t c = 0; c < p.channels; ++c) {
        p.dgamma[c] = static_cast<float>(sums[c] * p.inv_std[c]);
        p.dbeta[c] = static_cast<float>(sums[p.channels + c]);
    }
    return sums;
}

void batch_norm_backward_cpu(const BatchNormBackward& p) {
    const std::vector<double> sums = parameter_gradients(p);
    if (!p.dx) return;
    std::vector<float> per_row(p.channels), slope(p.channels), scale(p.channels);
    const double rows = static_cast<double>(p.rows);
    for (int64_t c = 0; c < p.channels; ++c) {
        per_row[c] = static_cast<float>(sums[p.channels + c] / rows);
        slope[c] = static_cast<float>(sums[c] * p.inv_std[c] * p.inv_std[c] / rows);
        scale[c] = p.gamma[c] * p.inv_std[c];
    }
    const float* shift = per_row.data();
    const float* tilt = slope.data();
    const float* factor = scale.data();
    parallel_chunks(p.rows, column_chunk_rows(p.channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float* x = p.x + r * p.channels;
            const float* dy = p.dy + r * p.channels;
            float* dx = p.dx + r * p.channels;
            for (int64_t c = 0; c < p.channels; ++c) {
                dx[c] = batch_norm_slope(x[c], dy[c], p.mean[c], factor[c], shift[c], tilt[c]);
            }
        }
    });
}

void batch_norm_eval_backward_cpu(const BatchNormBackward& p) {
    parameter_gradients(p);
    if (!p.dx) return;
    parallel_chunks(p.rows, column_chunk_rows(p.channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            for (int64_t c = 0; c < p.channels; ++c) {
                const int64_t i = r * p.channels + c;
                p.dx[i] = p.dy[i] * (p.gamma[c] * p.inv_std[c]);
            }
        }
    });
}

}  // namespace

constinit Kernel<void(const BatchNormForward&)> batch_norm_forward{"batch_norm_forward",
                                                                   batch_norm_forward_cpu};
constinit Kernel<void(const BatchNormForward&)> batch_norm_eval_forward{
    "batch_norm_eval_forward", batch_norm_eval_forward_cpu};
constinit Kernel<void(const BatchNormBackward&)> batch_norm_backward{"batch_norm_backward",
                                                                     batch_norm_backward_cpu};
constinit Kernel<void(const BatchNormBackward&)> batch_norm_eval_backward{
    "batch_norm_eval_backward", batch_norm_eval_backward_cpu};

}  // namespace gradus
