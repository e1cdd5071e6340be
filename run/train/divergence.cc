#include "run/train/divergence.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace gradus {

namespace {

constexpr double kWeightGrowth = 1e3;      // a hundred times the largest growth at a useful rate
constexpr double kStatisticsGrowth = 1e7;  // DoReFa's weights on folded batch norm reach 1.5e5
constexpr double kLossGrowth = 10;
constexpr double kLargestPositive = 1e6;  // scales, clipping thresholds

double growth(const Parameter& parameter) {
    if (parameter.name.ends_with(".running_var")) return kStatisticsGrowth * kStatisticsGrowth;
    const bool follows = parameter.name.ends_with(".running_mean") ||
                         parameter.name.find(".quantizer.") != std::string::npos;
    return follows ? kStatisticsGrowth : kWeightGrowth;
}

}  // namespace

std::map<std::string, float> largest_magnitudes(
    const std::vector<std::shared_ptr<Parameter>>& parameters) {
    std::map<std::string, float> all;
    for (const auto& parameter : parameters) {
        const float* x = parameter->value.data<float>();
        float largest = 0.0f;
        for (int64_t i = 0; i < parameter->value.numel(); ++i) {
            largest = std::max(largest, std::fabs(x[i]));
        }
        all[parameter->name] = std::min(largest, FLT_MAX);
    }
    return all;
}

float largest_allowed(const Parameter& parameter, const PhaseStart& start) {
    if (parameter.positive) return static_cast<float>(kLargestPositive);
    const auto found = start.largest.find(parameter.name);
    const double size = found == start.largest.end() ? 0.0 : found->second;
    const double allowed = growth(parameter) * std::max(1.0, size);
    return static_cast<float>(std::min<double>(FLT_MAX, allowed));
}

bool loss_diverged(double loss, const PhaseStart& start) {
    return !(loss <= kLossGrowth * std::max(1.0, start.loss));
}

}  // namespace gradus
