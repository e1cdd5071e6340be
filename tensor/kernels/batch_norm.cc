#include "tensor/kernels/batch_norm.h"

#include <vector>

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

struct Moments {
    std::vector<double> mean, variance;  // biased
};

// One pass over x: every chunk is summed, then squared about its own mean while it is still in the
// cache; the chunks are joined by the parallel-variance formula (Chan, Golub & LeVeque, 1983).
Moments moments(const float* x, int64_t rows, int64_t channels) {
    const int64_t chunk = column_chunk_rows(channels);
    const int64_t chunks = (rows + chunk - 1) / chunk;
    std::vector<double> sums(chunks * channels), squares(chunks * channels);
    std::vector<float> centres(chunks * channels);
    parallel_chunks(rows, chunk, [&](int64_t begin, int64_t end) {
        const int64_t at = begin / chunk * channels;
        add_columns<1>(
            begin, end, channels,
            [=](auto load, int64_t r, int64_t c) { return std::array{load(x + r * channels + c)}; },
            &sums[at]);
        float* centre = &centres[at];
        for (int64_t c = 0; c < channels; ++c) {
            centre[c] = static_cast<float>(sums[at + c] / static_cast<double>(end - begin));
        }
        add_columns<1>(
            begin, end, channels,
            [=](auto load, int64_t r, int64_t c) {
                const auto d = load(x + r * channels + c) - load(centre + c);
                return std::array{d * d};
            },
            &squares[at]);
    });

    Moments result{std::vector<double>(channels), std::vector<double>(channels)};
    for (int64_t i = 0; i < chunks; ++i) {
        for (int64_t c = 0; c < channels; ++c) result.mean[c] += sums[i * channels + c];
    }
    for (double& mean : result.mean) mean /= static_cast<double>(rows);
    for (int64_t i = 0; i < chunks; ++i) {
        const double n = static_cast<double>(std::min(rows, (i + 1) * chunk) - i * chunk);
        for (int64_t c = 0; c < channels; ++c) {
            // The squares are about `centre`, the rounded chunk mean: move them to the mean.
            const double centre = centres[i * channels + c];
            const double chunk_mean = sums[i * channels + c] / n;
            const double off = chunk_mean - centre, away = chunk_mean - result.mean[c];
            result.variance[c] += squares[i * channels + c] - n * off * off + n * away * away;
        }
    }
    for (double& variance : result.variance) variance /= static_cast<double>(rows);
    return result;
}

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
    const Moments batch = moments(p.x, p.rows, p.channels);
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
