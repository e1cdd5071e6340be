#include "quant/bias_fit.h"

#include <algorithm>
#include <cmath>

#include "quant/hardware.h"

namespace gradus {

namespace {

float power_of_two_from(float s) {
    int exponent = 0;
    return std::frexp(s, &exponent) == 0.5f ? s : std::ldexp(1.0f, exponent);
}

}  // namespace

double largest_bias_code(RequantizeRule rule, int64_t products) {
    const double most = std::max(0x1p31 - 0x1p16 * static_cast<double>(products + 1), 0x1p30);
    if (rule == RequantizeRule::r5) return std::min(most, 0x1p30);
    return rule == RequantizeRule::r8 ? std::min(most, 0x1p28) : most;
}

Tensor least_weight_scales(const Quantizer& q, const Shape& weights, const Tensor& bias,
                           float s_x) {
    const double most =
        largest_bias_code(q.hardware->requantize, weights.numel() / weights[0]) * double{s_x};
    Tensor least = Tensor::zeros({channel_count(q.format, weights)});
    for (int64_t o = 0; o < bias.numel(); ++o) {
        const auto needed = static_cast<float>(std::fabs(double{bias.data<float>()[o]}) / most);
        float& s = least.data<float>()[least.numel() == 1 ? 0 : o];
        s = std::max(s,
                     q.format.power_of_two && needed > 0.0f ? power_of_two_from(needed) : needed);
    }
    return least;
}

}  // namespace gradus
