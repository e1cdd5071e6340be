#include "nn/schedule.h"

#include <cmath>
#include <numbers>

namespace gradus {

double WarmupCosine::at(int64_t step) const {
    if (step < warmup_steps) {
        const double slope = (peak - start) / static_cast<double>(warmup_steps - 1);
        return warmup_steps > 1 ? slope * static_cast<double>(step - 1) + start : peak;
    }
    const int64_t span = total_steps - warmup_steps;
    if (span <= 0) return peak;
    const double progress = static_cast<double>(step - warmup_steps) / static_cast<double>(span);
    return 0.5 * peak * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace gradus
