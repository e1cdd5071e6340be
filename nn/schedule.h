// schedule -- learning rates by step.
#pragma once

#include <cstdint>

namespace gradus {

// Linear warm-up from `start` to `peak` over the first `warmup_steps`, then half a cosine to 0 at
// `total_steps` (MQBench, section 2.1 and its configurations). Steps count from 1.
struct WarmupCosine {
    double start;
    double peak;
    int64_t warmup_steps;
    int64_t total_steps;

    double at(int64_t step) const;
};

}  // namespace gradus
