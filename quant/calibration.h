// calibration -- the first scale and zero point from a quantizer's statistics.
//
// source     MQBench, App. C.1 (Eq. 6 to 11), with textbook definitions where it is garbled
// exactness  rounded; the same bits for any number of threads
// tests      tests/calibration_test.cc, against tests/golden/make_calibration.py
#pragma once

#include <string>
#include <vector>

#include "quant/format.h"
#include "quant/statistics.h"

namespace gradus {

// min_max          the range of everything seen
// moving_average   min_max of each array, averaged: 0.9 old + 0.1 new
// quantile         the 0.9999 quantiles on both sides
// mse              the clipped range with the least mean (x_hat - x)^2
// kld              the clipped range with the least KL divergence of the histograms (Migacz 2017)
// norm             s = 2 mean|x| / sqrt(qmax) (LSQ)
// mean_deviation   mean -+ 3 standard deviations (LSQ+)
// own              the algorithm's own first values
enum class Calibration { own, min_max, moving_average, quantile, mse, kld, norm, mean_deviation };

// "own" or "auto", "minmax", "moving-average", "quantile", "mse", "kld", "norm", "mean-deviation".
// An unknown name is a usage error with the list.
Calibration calibration_of(const std::string& name);
std::vector<std::string> calibration_names();
const char* name_of(Calibration method);
// True if the method reads histograms.
bool needs_histogram(Calibration method);

struct ScaleAndZero {
    float scale;
    int32_t zero_point;
};

// Scale and zero point of a (min, max) pair (MQBench 1.3). lo = min(min, 0), hi = max(max, 0).
//   symmetric:  s = max(-lo, hi) / ((qmax - qmin) / 2), unsigned: / (qmax - qmin);  z = 0
//   asymmetric: s = (hi - lo) / (qmax - qmin),  z = clip(qmin - rne(lo / s), qmin, qmax)
// s >= kScaleFloor. Power of two: s is rounded to one before z is taken.
ScaleAndZero scale_from_range(float min, float max, const QuantFormat& format);

// The (min, max) pair that scale_from_range turns into this scale and zero point, within rounding.
struct Span {
    float lo, hi;
};
Span range_of_scale(ScaleAndZero grid, const QuantFormat& format);

// One channel's grid by `method` (not own). mse and kld search the histogram: (min, max) (1 - 0.01
// i), i = 0 to 94, the first of the best. Asymmetric without negative values: z = qmin.
ScaleAndZero calibrate_channel(Calibration method, const ChannelStatistics& seen,
                               const QuantFormat& format);

}  // namespace gradus
