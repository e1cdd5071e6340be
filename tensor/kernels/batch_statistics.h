// batch_statistics -- mean and biased variance of every channel, and their running averages
// shapes    u [rows, channels] (NHWC seen as rows) -> mean, variance [channels]           dtype f32
// training  running <- (1 - momentum) running + momentum batch (unbiased variance), in double,
//           rounded once, as batch_norm does
// gradient  mean: du = dmean / rows; variance: du = dvariance 2 (u - mean) / rows
//           the variance saves u (shared) and mean         (Jacob et al., CVPR 2018, section 3.2)
// exactness sums are float over 32 rows and double beyond: relative error below 2e-6 of the sum of
//           magnitudes
// tests     tests/batch_statistics_test.cc
#pragma once

#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

// The specification. `rows` counts the values of a channel.
template <class T>
void batch_moments_readable(const T* u, int64_t rows, int64_t channels, T* mean, T* variance) {
    for (int64_t c = 0; c < channels; ++c) {
        T sum = 0, squares = 0;
        for (int64_t r = 0; r < rows; ++r) sum += u[r * channels + c];
        mean[c] = sum / T(rows);
        for (int64_t r = 0; r < rows; ++r) {
            squares += (u[r * channels + c] - mean[c]) * (u[r * channels + c] - mean[c]);
        }
        variance[c] = squares / T(rows);
    }
}

template <class T>
HOST_DEVICE inline T batch_mean_slope(T dmean, T rows) {
    return dmean / rows;
}
template <class T>
HOST_DEVICE inline T batch_variance_slope(T u, T mean, T dvariance, T rows) {
    return dvariance * T(2) * (u - mean) / rows;
}

struct BatchStatistic {
    const float* u;  // [rows, channels]
    int64_t rows, channels;
    float momentum;
    float* running;  // [channels], updated
    float* mean;     // [channels], out
};

extern Kernel<void(const BatchStatistic& pass)> batch_mean_forward;
extern Kernel<void(const BatchStatistic& pass, float* variance)> batch_variance_forward;
extern Kernel<void(const float* dmean, int64_t rows, int64_t channels, float* du)>
    batch_mean_backward;
extern Kernel<void(const float* u, const float* mean, const float* dvariance, int64_t rows,
                   int64_t channels, float* du)>
    batch_variance_backward;

}  // namespace gradus
