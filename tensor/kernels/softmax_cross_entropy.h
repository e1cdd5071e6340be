// softmax_cross_entropy -- loss = mean over rows of -sum_k t_k log softmax(logits)_k
//                          t = 1 - smoothing + smoothing / K for the label, smoothing / K else
//                          (label smoothing: Szegedy et al., CVPR 2016)
// shapes    logits [N, K] f32, labels [N] i64 in [0, K) -> loss [1]
// gradient  dlogits = dy (softmax(logits) - t) / N       saves logits (shared), lse [N] f64
// exactness rounded: lse = max + log sum exp(logits - max) and all sums in double, in the order of
//           the rows; one rounding to float at the end
// tests     tests/softmax_cross_entropy_test.cc
#pragma once

#include <cmath>
#include <cstdint>

#include "tensor/kernel.h"

namespace gradus {

// The specification, and the kernel: T is float or double, everything inside is double.
template <class T>
T softmax_cross_entropy_forward_readable(const T* logits, const int64_t* labels, int64_t rows,
                                         int64_t classes, double smoothing, double* lse) {
    double loss = 0;
    for (int64_t n = 0; n < rows; ++n) {
        const T* z = logits + n * classes;
        double largest = z[0], sum = 0, total = 0;
        // A NaN must reach the loss: comparisons skip it, but the sums keep it.
        for (int64_t k = 1; k < classes; ++k) largest = z[k] > largest ? z[k] : largest;
        for (int64_t k = 0; k < classes; ++k) {
            sum += std::exp(z[k] - largest);
            total += z[k];
        }
        lse[n] = largest + std::log(sum);
        const double spread = smoothing / static_cast<double>(classes);
        loss += lse[n] - (1.0 - smoothing) * z[labels[n]] - spread * total;
    }
    return static_cast<T>(loss / static_cast<double>(rows));
}

template <class T>
void softmax_cross_entropy_backward_readable(const T* logits, const int64_t* labels, int64_t rows,
                                             int64_t classes, double smoothing, const double* lse,
                                             T dy, T* dlogits) {
    const double factor = static_cast<double>(dy) / static_cast<double>(rows);
    const double spread = smoothing / static_cast<double>(classes);
    for (int64_t n = 0; n < rows; ++n) {
        for (int64_t k = 0; k < classes; ++k) {
            const double target = (k == labels[n] ? 1.0 - smoothing : 0.0) + spread;
            const double p = std::exp(logits[n * classes + k] - lse[n]);
            dlogits[n * classes + k] = static_cast<T>(factor * (p - target));
        }
    }
}

struct CrossEntropyForward {
    const float* logits;
    const int64_t* labels;
    int64_t rows, classes;
    float smoothing;
    double* lse;  // [rows]
    float* loss;  // [1]
};

struct CrossEntropyBackward {
    const float* logits;
    const int64_t* labels;
    int64_t rows, classes;
    float smoothing;
    const double* lse;
    const float* dy;  // [1]
    float* dlogits;
};

extern Kernel<void(const CrossEntropyForward& pass)> softmax_cross_entropy_forward;
extern Kernel<void(const CrossEntropyBackward& pass)> softmax_cross_entropy_backward;

}  // namespace gradus
