#include "tensor/kernels/batch_norm.h"

#include <vector>

#include "tensor/kernels/column_sums.h"

namespace gradus {

namespace {

struct Moments {
    std::vector<double> mean, variance;  // biased
};

// Sums of one chunk of rows about a value near its mean, so that the variance does not cancel.
struct ChunkSums {
    std::vector<float> centre;           // [channels]
    std::vector<double> first, squares;  // sum d and sum d d with d = x - centre
};

ChunkSums chunk_sums(const float* x, int64_t begin, int64_t end, int64_t channels) {
    ChunkSums s{std::vector<float>(channels), std::vector<double>(channels), {}};
    const int64_t samples = std::min<int64_t>(16, end - begin), step = (end - begin) / samples;
    add_columns<1>(
        0, samples, channels,
        [=](auto load, int64_t r, int64_t c) {
            return std::array{load(x + (begin + r * step) * channels + c)};
        },
        s.first.data());
    for (int64_t c = 0; c < channels; ++c) {
        s.centre[c] = static_cast<float>(s.first[c] / static_cast<double>(samples));
    }
    std::vector<double> sums(2 * channels);
    const float* centre = s.centre.data();
    add_columns<2>(
        begin, end, channels,
        [=](auto load, int64_t r, int64_t c) {
            const auto d = load(x + r * channels + c) - load(centre + c);
            return std::array{d, d * d};
        },
        sums.data());
    s.first.assign(sums.begin(), sums.begin() + channels);
    s.squares.assign(sums.begin() + channels, sums.end());
    return s;
}

// One pass over x; the chunks are joined by the parallel-variance formula (Chan, Golub & LeVeque,
// "Algorithms for computing the sample variance", 1983).
Moments moments(const float* x, int64_t rows, int64_t channels) {
    const int64_t chunk = column_chunk_rows(channels);
    std::vector<ChunkSums> chunks((rows + chunk - 1) / chunk);
    parallel_chunks(rows, chunk, [&](int64_t begin, int64_t end) {
        chunks[begin / chunk] = chunk_sums(x, begin, end, channels);
    });
    Moments total{std::vector<double>(channels), std::vector<double>(channels)};
    double before = 0;  // rows joined so far
    for (size_t i = 0; i < chunks.size(); ++i) {
        const double n =
            static_cast<double>(std::min(chunk, rows - static_cast<int64_t>(i) * chunk));
        for (int64_t c = 0; c < channels; ++c) {
            const double offset = chunks[i].first[c] / n;
            const double away = chunks[i].centre[c] + offset - total.mean[c];
            total.mean[c] += away * n / (before + n);
            total.variance[c] += chunks[i].squares[c] - n * offset * offset +
                                 away * away * before * n / (before + n);
        }
        before += n;
    }
    for (double& variance : total.variance) variance = std::max(variance / before, 0.0);
    return total;
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
