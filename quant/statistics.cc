#include "quant/statistics.h"

#include <array>

#include "tensor/channel_layout.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

constexpr int lanes = 16;
constexpr int64_t piece_size = 4096;  // values that are read twice while in cache

// Calls term(i, lane) for i in [0, n), neighbours in different lanes, so that sums are the same for
// every vector width.
template <class Term>
void for_lanes(int64_t n, const Term& term) {
    const int64_t whole = n / lanes * lanes;
    for (int64_t i = 0; i < whole; i += lanes) {
#pragma GCC unroll 1
        for (int lane = 0; lane < lanes; ++lane) term(i + lane, lane);
    }
    for (int64_t i = whole; i < n; ++i) term(i, static_cast<int>(i - whole));
}

double sum_of(const std::array<double, lanes>& parts) {
    double sum = 0.0;
    for (double part : parts) sum += part;
    return sum;
}

// The values of one channel, in order.
struct Channel {
    const float* values;
    ChannelLayout layout;
    int64_t index;

    int64_t size() const { return layout.per_channel(); }

    // Calls piece(x, n) for contiguous pieces of the elements [begin, end).
    template <class Piece>
    void for_pieces(int64_t begin, int64_t end, const Piece& piece) const {
        for (int64_t i = begin, n = 0; i < end; i += n) {
            const int64_t row = i / layout.inner, column = i % layout.inner;
            n = std::min({end - i, layout.inner - column, piece_size});
            piece(values + (row * layout.channels + index) * layout.inner + column, n);
        }
    }
};

void check_finite(bool finite, int64_t channel) {
    check_kind(finite, ErrorKind::diverged, "statistics: a value of channel ", channel,
               " is not finite, so there is no range to quantize to");
}

// Smallest and largest value. `taint` is 0 while all values are finite and NaN otherwise.
struct Extremes {
    float min = INFINITY, max = -INFINITY, taint = 0.0f;

    void join(const Extremes& more) {
        min = std::min(min, more.min);
        max = std::max(max, more.max);
        taint += more.taint;
    }
};

Extremes extremes_of(const float* x, int64_t n) {
    std::array<float, lanes> lo, hi, taint{};
    lo.fill(INFINITY);
    hi.fill(-INFINITY);
    for_lanes(n, [&](int64_t i, int lane) {
        lo[lane] = x[i] < lo[lane] ? x[i] : lo[lane];
        hi[lane] = x[i] > hi[lane] ? x[i] : hi[lane];
        taint[lane] += x[i] * 0.0f;
    });
    Extremes all;
    for (int lane = 0; lane < lanes; ++lane) all.join({lo[lane], hi[lane], taint[lane]});
    return all;
}

struct Moments {
    Extremes extremes;
    int64_t count = 0;
    double sum = 0.0, sum_magnitude = 0.0, sum_squares = 0.0;  // squares: about the mean
};

// Squares about the mean of a and b together (Chan, Golub, LeVeque 1979).
template <class A, class B>
double joined_squares(const A& a, const B& b) {
    if (a.count == 0 || b.count == 0) return a.sum_squares + b.sum_squares;
    const double n = static_cast<double>(a.count), m = static_cast<double>(b.count);
    const double apart = b.sum / m - a.sum / n;
    return a.sum_squares + b.sum_squares + apart * apart * (n * m / (n + m));
}

// Adds b's count and sums to those of a.
template <class A, class B>
void add_sums(A& a, const B& b) {
    a.sum_squares = joined_squares(a, b);
    a.count += b.count;
    a.sum += b.sum;
    a.sum_magnitude += b.sum_magnitude;
}

Moments moments_of(const float* x, int64_t n) {
    std::array<double, lanes> sum{}, magnitude{}, squares{};
    for_lanes(n, [&](int64_t i, int lane) {
        sum[lane] += x[i];
        magnitude[lane] += std::fabs(x[i]);
    });
    Moments m{extremes_of(x, n), n, sum_of(sum), sum_of(magnitude), 0.0};
    const double mean = m.sum / static_cast<double>(n);
    for_lanes(n, [&](int64_t i, int lane) {
        const double d = x[i] - mean;
        squares[lane] += d * d;
    });
    m.sum_squares = sum_of(squares);
    return m;
}

void join(Moments& a, const Moments& b) {
    a.extremes.join(b.extremes);
    add_sums(a, b);
}

// The statistics of one channel of one array.
struct Seen {
    Moments all;
    double sample_min = 0.0, sample_max = 0.0;  // means over the samples
};

Seen see(const Channel& channel, int64_t samples) {
    const int64_t size = channel.size() / samples;
    std::vector<Moments> of_sample(samples);
    parallel_tasks(samples, [&](int64_t s) {
        channel.for_pieces(s * size, (s + 1) * size, [&](const float* x, int64_t n) {
            join(of_sample[s], moments_of(x, n));
        });
    });
    Seen seen;
    for (const Moments& m : of_sample) {
        join(seen.all, m);
        seen.sample_min += m.extremes.min / static_cast<double>(samples);
        seen.sample_max += m.extremes.max / static_cast<double>(samples);
    }
    return seen;
}

float moving(float old, double now) {
    return static_cast<float>(0.9 * old + 0.1 * now);
}

void add_to(ChannelStatistics& s, const Seen& seen) {
    const Extremes& e = seen.all.extremes;
    const bool first = s.count == 0;
    s.min = first ? e.min : std::min(s.min, e.min);
    s.max = first ? e.max : std::max(s.max, e.max);
    s.moving_min = first ? e.min : moving(s.moving_min, e.min);
    s.moving_max = first ? e.max : moving(s.moving_max, e.max);
    s.sample_min =
        first ? static_cast<float>(seen.sample_min) : moving(s.sample_min, seen.sample_min);
    s.sample_max =
        first ? static_cast<float>(seen.sample_max) : moving(s.sample_max, seen.sample_max);
    add_sums(s, seen.all);
}

// The least power of two above |x|, at least the smallest normal float: zeros need a bin too.
double reach_above(double magnitude) {
    int exponent = 0;
    std::frexp(std::max(magnitude, 0x1p-127), &exponent);
    return std::ldexp(1.0, exponent);
}

// Joins neighbouring bins until the histogram has this reach; never shrinks it.
void grow(Histogram& h, double reach) {
    if (h.counts.empty()) {
        h.reach = reach;
        h.counts.assign(Histogram::bins, 0);
    }
    if (reach <= h.reach) return;
    // Counted from the middle, each doubling turns bin i into floor(i / 2).
    const int doublings = std::min(31, std::ilogb(reach) - std::ilogb(h.reach));
    constexpr int middle = Histogram::bins / 2;
    std::vector<int64_t> joined(Histogram::bins);
    for (int i = 0; i < Histogram::bins; ++i) {
        joined[middle + ((i - middle) >> doublings)] += h.counts[i];
    }
    h.counts = std::move(joined);
    h.reach = reach;
}

using PartialCounts = std::array<int32_t, Histogram::bins>;

// Histogram::bin_of for values within the reach: x times a power of two is exact.
void count_piece(const float* x, int64_t n, double bins_per_unit, PartialCounts& counts) {
    std::array<int32_t, piece_size> bin;
    for (int64_t i = 0; i < n; ++i) {
        bin[i] = static_cast<int32_t>(std::floor(x[i] * bins_per_unit)) + Histogram::bins / 2;
    }
    for (int64_t i = 0; i < n; ++i) ++counts[bin[i]];
}

// Adds a channel whose values lie within the reach, in at most 64 parts.
void count(Histogram& h, const Channel& channel) {
    const int64_t part = std::max<int64_t>(1 << 16, (channel.size() + 63) / 64);
    const int64_t parts = (channel.size() + part - 1) / part;
    std::vector<PartialCounts> partial(parts);
    parallel_chunks(channel.size(), part, [&](int64_t begin, int64_t end) {
        channel.for_pieces(begin, end, [&](const float* x, int64_t n) {
            count_piece(x, n, 1.0 / h.width(), partial[begin / part]);
        });
    });
    for (const PartialCounts& p : partial) {
        for (int i = 0; i < Histogram::bins; ++i) h.counts[i] += p[i];
    }
}

}  // namespace

double ChannelStatistics::deviation() const {
    return count > 1 ? std::sqrt(sum_squares / static_cast<double>(count - 1)) : 0.0;
}

void Statistics::add(const Tensor& x) {
    const Tensor host = x.to(Device::cpu());
    const ChannelLayout layout = channel_layout(x.shape(), axis_);
    const int64_t channels = layout.channels, extent = static_cast<int64_t>(channels_.size());
    check(x.numel() > 0, "statistics: an empty array has none");
    check(extent == 0 || extent == channels, "statistics: ", channels, " channels after ", extent);
    const auto channel = [&](int64_t c) { return Channel{host.data<float>(), layout, c}; };
    // Channels as samples, or one channel of rank 1, count as one sample.
    const int64_t samples = axis_ == 0 || x.shape().rank() < 2 ? 1 : x.shape()[0];

    std::vector<Seen> seen(channels);
    parallel_tasks(channels, [&](int64_t c) { seen[c] = see(channel(c), samples); });
    for (int64_t c = 0; c < channels; ++c) check_finite(seen[c].all.extremes.taint == 0.0f, c);
    channels_.resize(channels);
    parallel_tasks(channels, [&](int64_t c) {
        ChannelStatistics& s = channels_[c];
        add_to(s, seen[c]);
        if (!with_histogram_) return;
        grow(s.histogram, reach_above(std::max(std::fabs(s.min), std::fabs(s.max))));
        count(s.histogram, channel(c));
    });
}

float Statistics::min() const {
    check(!channels_.empty(), "statistics: nothing was seen");
    float least = INFINITY;
    for (const ChannelStatistics& s : channels_) least = std::min(least, s.min);
    return least;
}

float Statistics::max() const {
    check(!channels_.empty(), "statistics: nothing was seen");
    float largest = -INFINITY;
    for (const ChannelStatistics& s : channels_) largest = std::max(largest, s.max);
    return largest;
}

Range observe_range(const Tensor& x, int axis) {
    check(x.numel() > 0, "statistics: an empty array has no range");
    const Tensor host = x.to(Device::cpu());
    const ChannelLayout layout = channel_layout(x.shape(), axis);
    constexpr int64_t part = int64_t{1} << 16;
    std::vector<Extremes> of_channel(layout.channels);
    parallel_tasks(layout.channels, [&](int64_t c) {
        const Channel channel{host.data<float>(), layout, c};
        std::vector<Extremes> partial((channel.size() + part - 1) / part);
        parallel_chunks(channel.size(), part, [&](int64_t begin, int64_t end) {
            channel.for_pieces(begin, end, [&](const float* values, int64_t n) {
                partial[begin / part].join(extremes_of(values, n));
            });
        });
        for (const Extremes& e : partial) of_channel[c].join(e);
    });
    Range range{Tensor::empty({layout.channels}), Tensor::empty({layout.channels})};
    for (int64_t c = 0; c < layout.channels; ++c) {
        check_finite(of_channel[c].taint == 0.0f, c);
        range.min.data<float>()[c] = of_channel[c].min;
        range.max.data<float>()[c] = of_channel[c].max;
    }
    return range;
}

}  // namespace gradus
