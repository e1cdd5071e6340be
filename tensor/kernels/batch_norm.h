// batch_norm -- y = (x - mean) * scale + beta with scale = gamma * inv_std, per channel
// shapes    x [rows, channels] (NHWC seen as rows) -> y [same]; all others [channels]     dtype f32
// training  mean and biased variance of the rows; inv_std = 1 / sqrt(variance + eps), in double,
//           rounded once; running <- (1 - momentum) running + momentum batch (unbiased variance)
// eval      scale = gamma / sqrt(running_var + eps), in float
// gradient  dbeta = sum dy, dgamma = sum dy (x - mean) inv_std; eval dx = dy scale; training
//           dx = scale (dy - dbeta / rows - (x - mean) inv_std dgamma / rows)
//           saves x (shared), mean, inv_std                 (Ioffe & Szegedy, ICML 2015)
// exactness eval forward exact (operations in the order above); sums are float over 32 rows and
//           double beyond: relative error below 2e-6 of the sum of magnitudes
// tests     tests/batch_norm_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

template <class T>
HOST_DEVICE inline T batch_norm_value(T x, T mean, T scale, T beta) {
    return (x - mean) * scale + beta;
}
// dx of training; per_row = dbeta / rows, slope = inv_std * dgamma / rows.
template <class T>
HOST_DEVICE inline T batch_norm_slope(T x, T dy, T mean, T scale, T per_row, T slope) {
    return scale * ((dy - per_row) - (x - mean) * slope);
}

// The specification of training.
template <class T>
void batch_norm_forward_readable(const T* x, const T* gamma, const T* beta, int64_t rows,
                                 int64_t channels, T eps, T* mean, T* inv_std, T* y) {
    for (int64_t c = 0; c < channels; ++c) {
        T sum = 0, squares = 0;
        for (int64_t r = 0; r < rows; ++r) sum += x[r * channels + c];
        mean[c] = sum / T(rows);
        for (int64_t r = 0; r < rows; ++r) {
            squares += (x[r * channels + c] - mean[c]) * (x[r * channels + c] - mean[c]);
        }
        inv_std[c] = T(1) / std::sqrt(squares / T(rows) + eps);
        for (int64_t r = 0; r < rows; ++r) {
            y[r * channels + c] =
                batch_norm_value(x[r * channels + c], mean[c], gamma[c] * inv_std[c], beta[c]);
        }
    }
}

// `training`: mean and inv_std depend on x; otherwise they are constants.
template <class T>
void batch_norm_backward_readable(const T* x, const T* dy, const T* gamma, const T* mean,
                                  const T* inv_std, int64_t rows, int64_t channels, bool training,
                                  T* dx, T* dgamma, T* dbeta) {
    for (int64_t c = 0; c < channels; ++c) {
        dgamma[c] = dbeta[c] = 0;
        for (int64_t r = 0; r < rows; ++r) {
            const int64_t i = r * channels + c;
            dbeta[c] += dy[i];
            dgamma[c] += dy[i] * (x[i] - mean[c]) * inv_std[c];
        }
        const T per_row = training ? dbeta[c] / T(rows) : T(0);
        const T slope = training ? inv_std[c] * dgamma[c] / T(rows) : T(0);
        for (int64_t r = 0; r < rows; ++r) {
            const int64_t i = r * channels + c;
            dx[i] = batch_norm_slope(x[i], dy[i], mean[c], gamma[c] * inv_std[c], per_row, slope);
        }
    }
}

struct BatchNormForward {
    const float* x;      // [rows, channels]
    const float* gamma;  // [channels], like all that follow
    const float* beta;
    float* running_mean;  // updated by training, read by eval
    float* running_var;
    int64_t rows, channels;
    float eps, momentum;
    float* mean;     // out: the mean and inv_std that were used
    float* inv_std;  // out
    float* y;        // [rows, channels]
};

struct BatchNormBackward {
    const float* x;
    const float* dy;
    const float* gamma;
    const float* mean;
    const float* inv_std;
    int64_t rows, channels;
    float* dx;  // [rows, channels], or nullptr if not needed
    float* dgamma;
    float* dbeta;
};

extern Kernel<void(const BatchNormForward& pass)> batch_norm_forward;
extern Kernel<void(const BatchNormForward& pass)> batch_norm_eval_forward;
extern Kernel<void(const BatchNormBackward& pass)> batch_norm_backward;
extern Kernel<void(const BatchNormBackward& pass)> batch_norm_eval_backward;

}  // namespace gradus
