#include "quant/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "quant/numerics.h"
#include "tensor/affine.h"
#include "tensor/find_row.h"

namespace gradus {

namespace {

struct Row {
    const char* name;
    Calibration method;
};

const std::vector<Row>& rows() {
    static const std::vector<Row> table{
        {"own", Calibration::own},
        {"auto", Calibration::own},
        {"minmax", Calibration::min_max},
        {"moving-average", Calibration::moving_average},
        {"quantile", Calibration::quantile},
        {"mse", Calibration::mse},
        {"kld", Calibration::kld},
        {"norm", Calibration::norm},
        {"mean-deviation", Calibration::mean_deviation},
    };
    return table;
}

float legal_scale(double s, const QuantFormat& format) {
    const float floored = std::max(static_cast<float>(s), kScaleFloor);
    return format.power_of_two ? power_of_two_scale(floored) : floored;
}

// The zero point that maps `lo` to qmin.
int32_t zero_point_of(float lo, float s, const QuantFormat& format) {
    const float z = static_cast<float>(format.qmin()) - round_half_even(lo / s);
    return clamp_code(z, format.qmin(), format.qmax());
}

int code_steps(const QuantFormat& format) {
    return format.qmax() - format.qmin();
}

// The divisor of max(-lo, hi) of a symmetric range.
double symmetric_steps(const QuantFormat& format) {
    return format.is_signed ? code_steps(format) / 2.0 : code_steps(format);
}

ScaleAndZero from_norm(const ChannelStatistics& seen, const QuantFormat& format) {
    const float s = legal_scale(2.0 * seen.mean_magnitude() / std::sqrt(format.qmax()), format);
    if (format.symmetric) return {s, 0};
    return {s, zero_point_of(seen.min, s, format)};
}

ScaleAndZero from_mean_deviation(const ChannelStatistics& seen, const QuantFormat& format) {
    const double mean = seen.mean(), reach = 3.0 * seen.deviation();
    const float lo = static_cast<float>(mean - reach), hi = static_cast<float>(mean + reach);
    return scale_from_range(seen.min < 0.0f ? lo : std::max(lo, 0.0f), hi, format);
}

// ---- quantile

// The value below which `part` of all counts lies; bin i is [lo + i width, lo + (i + 1) width), its
// values evenly spread.
double quantile(const std::vector<int64_t>& counts, double lo, double width, double part) {
    int64_t total = 0, below = 0;
    for (int64_t count : counts) total += count;
    const double target = part * static_cast<double>(total);
    for (size_t i = 0; i < counts.size(); below += counts[i++]) {
        const double missing = target - static_cast<double>(below);
        const double count = static_cast<double>(counts[i]);
        if (count > 0.0 && missing <= count) return lo + width * (i + missing / count);
    }
    return lo + width * static_cast<double>(counts.size());
}

// The histogram of |x|: bins [i width, (i + 1) width).
std::vector<int64_t> magnitude_counts(const Histogram& h) {
    constexpr int middle = Histogram::bins / 2;
    std::vector<int64_t> counts(middle);
    for (int i = 0; i < middle; ++i) counts[i] = h.counts[middle + i] + h.counts[middle - 1 - i];
    return counts;
}

ScaleAndZero from_quantile(const ChannelStatistics& seen, const QuantFormat& format) {
    constexpr double alpha = 0.9999;
    const Histogram& h = seen.histogram;
    if (format.symmetric) {
        const float largest = std::max(-seen.min, seen.max);
        const double reach = quantile(magnitude_counts(h), 0.0, h.width(), alpha);
        const float kept = std::min(static_cast<float>(reach), largest);
        return scale_from_range(-kept, kept, format);
    }
    const double lo = quantile(h.counts, -h.reach, h.width(), 1.0 - alpha);
    const double hi = quantile(h.counts, -h.reach, h.width(), alpha);
    return scale_from_range(std::max(static_cast<float>(lo), seen.min),
                            std::min(static_cast<float>(hi), seen.max), format);
}

// ---- search: mse and kld

// The range with the least loss among (1 - 0.01 i) (min, max), i = 0 to 94; the first of equals.
template <class Loss>
ScaleAndZero search(const ChannelStatistics& seen, const QuantFormat& format, const Loss& loss) {
    ScaleAndZero best = scale_from_range(seen.min, seen.max, format);
    double least = loss(best);
    for (int i = 1; i < 95; ++i) {
        const double kept = 1.0 - 0.01 * i;
        const ScaleAndZero grid = scale_from_range(static_cast<float>(kept * seen.min),
                                                   static_cast<float>(kept * seen.max), format);
        const double now = loss(grid);
        if (now < least) {
            least = now;
            best = grid;
        }
    }
    return best;
}

int32_t code_of(float x, ScaleAndZero grid, const QuantFormat& format) {
    return quantize_value(x, grid.scale, grid.zero_point, format.qmin(), format.qmax());
}

// The centres of the bins that are not empty.
struct Centres {
    std::vector<float> x;
    std::vector<double> count;

    explicit Centres(const Histogram& h) {
        for (int i = 0; i < Histogram::bins; ++i) {
            if (h.counts[i] == 0) continue;
            x.push_back(static_cast<float>(h.centre(i)));
            count.push_back(static_cast<double>(h.counts[i]));
        }
    }
};

// Sum of (x_hat - x)^2 over the values, clipped ones included.
double squared_error(const Centres& seen, ScaleAndZero grid, const QuantFormat& format) {
    std::array<double, 8> sums{};  // eight lanes, so that the compiler vectorises the loop
    const size_t whole = seen.x.size() / 8 * 8;
    const auto add = [&](size_t i, size_t lane) {
        const float x = seen.x[i];
        const float x_hat = affine_value(code_of(x, grid, format), grid.zero_point, grid.scale);
        const double error = double{x_hat} - double{x};
        sums[lane] += seen.count[i] * error * error;
    };
    for (size_t i = 0; i < whole; i += 8) {
#pragma GCC unroll 1
        for (size_t lane = 0; lane < 8; ++lane) add(i + lane, lane);
    }
    for (size_t i = whole; i < seen.x.size(); ++i) add(i, i - whole);
    double sum = 0.0;
    for (double part : sums) sum += part;
    return sum;
}

ScaleAndZero from_mse(const ChannelStatistics& seen, const QuantFormat& format) {
    const Centres centres(seen.histogram);
    return search(seen, format,
                  [&](ScaleAndZero grid) { return squared_error(centres, grid, format); });
}

// The histogram within [first, last]; the tails are added to these two bins.
std::vector<int64_t> fold_tails(const Histogram& h, int first, int last) {
    std::vector<int64_t> folded(Histogram::bins);
    for (int i = 0; i < Histogram::bins; ++i) folded[std::clamp(i, first, last)] += h.counts[i];
    return folded;
}

// The mass of one code in P and in Q, and its number of non-empty bins of P.
struct Cell {
    double p = 0.0, q = 0.0, bins = 0.0;
};

// Sum of P ln Q over the cells, P and Q not normalised: Q spreads its mass evenly over a cell's
// bins. An empty cell of Q counts as MQBench's 1e-9.
double p_log_q(const std::array<Cell, 256>& cells) {
    double inside = 0.0, sum = 0.0;
    for (const Cell& cell : cells) inside += cell.q;
    for (const Cell& cell : cells) {
        const double q = cell.q == 0.0 ? 0.0 : cell.q / (cell.bins * inside);
        sum += cell.p * std::log(std::max(q, 1e-9));
    }
    return sum;
}

// D_KL(P || Q) (Migacz, "8-bit inference with TensorRT", GTC 2017). P is the histogram within the
// clip, with the clipped mass on its edge bins. Q has each code's mass within the clip, spread
// evenly over the code's non-empty bins of P. Q excludes the clipped mass: otherwise a clip so
// narrow that every bin has its own code would cost nothing.
double divergence(const Histogram& h, ScaleAndZero grid, const QuantFormat& format) {
    const Span clip = range_of_scale(grid, format);
    constexpr double rounding = 1.000001;  // the bin of the largest value is within
    const int first = h.bin_of(clip.lo * rounding), last = h.bin_of(clip.hi * rounding);
    const std::vector<int64_t> folded = fold_tails(h, first, last);
    std::array<Cell, 256> cells;
    double total = 0.0, p_log_p = 0.0;
    for (int i = first; i <= last; ++i) {
        if (folded[i] == 0) continue;
        const double p = static_cast<double>(folded[i]);
        const int32_t code = code_of(static_cast<float>(h.centre(i)), grid, format);
        Cell& cell = cells[code - format.qmin()];
        cell.p += p;
        cell.q += static_cast<double>(h.counts[i]);
        cell.bins += 1.0;
        total += p;
        p_log_p += p * std::log(p);
    }
    return (p_log_p - p_log_q(cells)) / total - std::log(total);
}

ScaleAndZero from_kld(const ChannelStatistics& seen, const QuantFormat& format) {
    return search(seen, format,
                  [&](ScaleAndZero grid) { return divergence(seen.histogram, grid, format); });
}

}  // namespace

Calibration calibration_of(const std::string& name) {
    return find_row(rows(), "calibration", name).method;
}

std::vector<std::string> calibration_names() {
    std::vector<std::string> names;
    for (const Row& row : rows()) names.push_back(row.name);
    return names;
}

const char* name_of(Calibration method) {
    for (const Row& row : rows()) {
        if (row.method == method) return row.name;
    }
    return "?";
}

bool needs_histogram(Calibration method) {
    return method == Calibration::quantile || method == Calibration::mse ||
           method == Calibration::kld;
}

ScaleAndZero scale_from_range(float min, float max, const QuantFormat& format) {
    const float lo = std::min(min, 0.0f), hi = std::max(max, 0.0f);
    if (format.symmetric) {
        return {legal_scale(double{std::max(-lo, hi)} / symmetric_steps(format), format), 0};
    }
    const float s = legal_scale((double{hi} - double{lo}) / code_steps(format), format);
    return {s, zero_point_of(lo, s, format)};
}

Span range_of_scale(ScaleAndZero grid, const QuantFormat& format) {
    if (format.symmetric) {
        const float hi = static_cast<float>(grid.scale * symmetric_steps(format));
        return {format.is_signed ? -hi : 0.0f, hi};
    }
    return {affine_value(format.qmin(), grid.zero_point, grid.scale),
            affine_value(format.qmax(), grid.zero_point, grid.scale)};
}

ScaleAndZero calibrate_channel(Calibration method, const ChannelStatistics& seen,
                               const QuantFormat& format) {
    check(seen.count > 0, "calibration: nothing was seen");
    check(!needs_histogram(method) || !seen.histogram.counts.empty(),
          "calibration: ", name_of(method), " reads a histogram, and none was kept");
    switch (method) {
        case Calibration::min_max:
            return scale_from_range(seen.min, seen.max, format);
        case Calibration::moving_average:
            return scale_from_range(seen.moving_min, seen.moving_max, format);
        case Calibration::quantile:
            return from_quantile(seen, format);
        case Calibration::mse:
            return from_mse(seen, format);
        case Calibration::kld:
            return from_kld(seen, format);
        case Calibration::norm:
            return from_norm(seen, format);
        case Calibration::mean_deviation:
            return from_mean_deviation(seen, format);
        case Calibration::own:
            break;
    }
    fail(ErrorKind::runtime, "calibration: \"own\" is for the algorithm to carry out");
}

}  // namespace gradus
