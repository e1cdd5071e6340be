#include "nn/init.h"

#include <cmath>

namespace gradus {

Tensor uniform_within(const Shape& shape, double bound, const Rng& rng) {
    Tensor result = Tensor::empty(shape);
    float* values = result.data<float>();
    for (int64_t i = 0; i < result.numel(); ++i) {
        values[i] = static_cast<float>((2.0 * rng.uniform(i) - 1.0) * bound);
    }
    return result;
}

Tensor kaiming_fan_out(const Shape& w, const Rng& rng, int64_t groups) {
    const double fan_out = static_cast<double>(w[0] / groups * w[1] * w[2]);
    return uniform_within(w, std::sqrt(3.0 * 2.0 / fan_out), rng);
}

Tensor uniform_fan_in(const Shape& shape, int64_t fan_in, const Rng& rng) {
    return uniform_within(shape, 1.0 / std::sqrt(static_cast<double>(fan_in)), rng);
}

}  // namespace gradus
