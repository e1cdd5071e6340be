#include "quant/average.h"

namespace gradus {

const char* rule_name(PoolRule rule) {
    const char* names[] = {"float",     "real",      "mean",     "mean-single", "xnnpack",
                           "half-away", "truncated", "mantissa", "reciprocal",  "float-sum"};
    return names[static_cast<int>(rule)];
}

std::vector<AverageConstants> window_constants(PoolRule rule, float scale, int32_t largest) {
    std::vector<AverageConstants> constants(1);
    for (int32_t count = 1; count <= largest; ++count) {
        constants.push_back(average_constants(rule, scale, count));
    }
    return constants;
}

}  // namespace gradus
