// statistics -- statistics of a quantizer's input, in fixed memory for any number of values.
//
// Per channel: smallest and largest value, moving averages of both, count, sums of x, |x| and
// squares, and on request a histogram. Arrays are added one after the other; the numbers depend on
// the arrays and their order, never on threads.
//
// exactness  min, max, count and histogram are exact: the same however the stream is cut into
//            arrays. Sums are rounded, in double
// tests      tests/statistics_test.cc
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace gradus {

// Counts over [-reach, reach) in `bins` equal bins. A value outside doubles the reach (neighbouring
// bins are joined), so a stream needs one pass and no more memory. The reach is the least power of
// two above every |x|, so the counts equal those of a pass that knew it in advance.
struct Histogram {
    static constexpr int bins = 4096;
    double reach = 0.0;  // 0: empty. A double, as 2^128 exceeds the largest float
    std::vector<int64_t> counts;

    double width() const { return 2.0 * reach / bins; }
    double centre(int bin) const { return -reach + (bin + 0.5) * width(); }
    // The bin [edge, edge + width) that contains x, or the nearest one.
    int bin_of(double x) const {
        const double bin = std::floor(x / width()) + bins / 2;
        return static_cast<int>(std::clamp(bin, 0.0, bins - 1.0));
    }
};

struct ChannelStatistics {
    float min = 0.0f, max = 0.0f;                // of all values so far
    float moving_min = 0.0f, moving_max = 0.0f;  // first array: its own; then 0.9 old + 0.1 new
    float sample_min = 0.0f, sample_max = 0.0f;  // likewise, of the mean over samples (axis 0; an
                                                 // array of rank 1 is one sample, and so is a
                                                 // channel of axis 0)
    int64_t count = 0;
    double sum = 0.0, sum_magnitude = 0.0, sum_squares = 0.0;  // squares: about the running mean
    Histogram histogram;

    double mean() const { return sum / static_cast<double>(count); }
    double mean_magnitude() const { return sum_magnitude / static_cast<double>(count); }
    double deviation() const;  // standard deviation, unbiased (n - 1); 0 for a single value
};

class Statistics {
  public:
    // One channel per index of `axis` (-1: one for all).
    Statistics(int axis, bool with_histogram) : axis_(axis), with_histogram_(with_histogram) {}

    // x F32, not empty; the channel extent must stay the same. Error(diverged) for a value that is
    // not finite; then nothing is added.
    void add(const Tensor& x);

    const std::vector<ChannelStatistics>& channels() const { return channels_; }
    float min() const;  // over all channels
    float max() const;

  private:
    int axis_;
    bool with_histogram_;
    std::vector<ChannelStatistics> channels_;
};

// Smallest and largest value, per tensor or per index of `axis`. Exact. Error(diverged) for a value
// that is not finite.
struct Range {
    Tensor min, max;  // F32 [channels]
};
Range observe_range(const Tensor& x, int axis);

}  // namespace gradus
