#include "quant/average.h"

namespace gradus {

const char* rule_name(PoolRule rule) {
    const char* names[] = {"float",     "real",      "mean",    "mean-single",
                           "half-away", "truncated", "mantissa"};
    return names[static_cast<int>(rule)];
}

}  // namespace gradus
