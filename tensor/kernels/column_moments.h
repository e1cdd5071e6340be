// column_moments -- mean and biased variance of every channel of [rows, channels], in one pass.
//
// Sums as in column_sums.h: the bits do not depend on the threads.
#pragma once

#include <cstdint>
#include <vector>

namespace gradus {

struct Moments {
    std::vector<double> mean, variance;  // biased
};

Moments column_moments(const float* x, int64_t rows, int64_t channels);

}  // namespace gradus
