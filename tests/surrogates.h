// surrogates -- for each algorithm the function whose gradient it computes, in double.
//
// Written from the papers and MQBench 1 and 2, not from the code. A surrogate freezes, at the point
// where it is made, the residual of each element's rounding, rne(v) - v, and the region of the
// element; the rest is smooth, and its derivatives are the straight-through ones.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include "quant/quantizer.h"
#include "tensor/channel_layout.h"

namespace gradus {

// The point at which a surrogate is evaluated.
struct Point {
    std::vector<double> x;
    std::vector<std::vector<double>> learned;  // [parameter][channel]
};

// The quantizer at the point where rounding is frozen.
struct Frozen {
    const Quantizer& q;
    const Grid& grid;
    ChannelLayout layout;
    Point at;

    int64_t channel(size_t i) const { return int64_t(i) / layout.inner % layout.channels; }
    double scale(int64_t c) const { return grid.scale.data<float>()[c]; }
    double zero(int64_t c) const { return grid.zero_point.data<int32_t>()[c]; }
    double qmin() const { return q.format.qmin(); }
    double qmax() const { return q.format.qmax(); }
    bool pot() const { return q.format.power_of_two; }
    int level_bits() const { return q.format.is_signed ? q.format.bits - 1 : q.format.bits; }
    // A parameter that is kept and not learned.
    double kept(const std::string& name, int64_t c) const { return q.values_of(name)[c]; }
};

struct Surrogate {
    std::function<std::vector<double>(const Point&)> values;
    std::vector<bool> sure;      // not within 1e-4 of a tie or of an end (MQBench 1.5)
    std::vector<double> scales;  // expected scales of the grid; empty: it has no steps
};

// ---- one element

enum class Region { below, inside, above };

struct Piece {
    Region region;
    double residual;
    bool sure;
};

inline bool away_from_tie(double v) {
    return std::fabs(v - std::floor(v) - 0.5) > 1e-4;
}

inline Region region_of(double v, double lo, double hi) {
    return v < lo ? Region::below : v > hi ? Region::above : Region::inside;
}

// v: the code before rounding. `rounded_decides`: the rounded code decides the region, else v
// itself.
inline Piece piece_of(double v, double lo, double hi, bool rounded_decides) {
    const double rounded = std::rint(v);
    const bool apart = rounded_decides || std::min(std::fabs(v - lo), std::fabs(v - hi)) > 1e-4;
    return {region_of(rounded_decides ? rounded : v, lo, hi), rounded - v,
            away_from_tie(v) && apart};
}

// ---- scales (MQBench 1.3 and 1.4)

inline double power_of_two_near(double s) {
    return std::exp2(std::rint(std::log2(s)));
}

inline double scale_of_range(const Frozen& f, double low, double high) {
    const QuantFormat& format = f.q.format;
    const bool from_zero = !format.symmetric && !f.q.free_zero_point;
    const double lo = from_zero ? 0.0 : std::min(low, 0.0), hi = std::max(high, 0.0);
    const double steps = f.qmax() - f.qmin();
    double s = (hi - lo) / steps;
    if (format.symmetric) {
        s = std::max(-lo, hi) / (format.is_signed ? steps / 2.0 : steps);
    }
    return f.pot() ? power_of_two_near(s) : s;
}

// ---- uniform grids: x_hat = s (x/s + c) inside, s (edge - z) outside

struct Uniform {
    std::function<std::vector<double>(const Point&)> input;  // the values to quantize
    std::function<double(const Point&, int64_t c)> scale, zero;
    bool rounded_decides = true;
};

inline std::vector<double> itself(const Point& p) {
    return p.x;
}

inline Surrogate surrogate_of(const Frozen& f, const Uniform& u) {
    Surrogate result;
    std::vector<Piece> pieces;
    const std::vector<double> input = u.input(f.at);
    for (size_t i = 0; i < input.size(); ++i) {
        const int64_t c = f.channel(i);
        const double v = input[i] / u.scale(f.at, c) + u.zero(f.at, c);
        pieces.push_back(piece_of(v, f.qmin(), f.qmax(), u.rounded_decides));
        result.sure.push_back(pieces.back().sure);
    }
    result.values = [f, u, pieces](const Point& p) {
        std::vector<double> values = u.input(p);
        for (size_t i = 0; i < values.size(); ++i) {
            const int64_t c = f.channel(i);
            const double s = u.scale(p, c);
            const Piece& piece = pieces[i];
            const double edge = piece.region == Region::below ? f.qmin() : f.qmax();
            values[i] = piece.region == Region::inside ? values[i] + s * piece.residual
                                                       : s * (edge - u.zero(p, c));
        }
        return values;
    };
    return result;
}

// Scale and zero point are constants.
inline Uniform fixed_grid(const Frozen& f) {
    return {itself, [f](const Point&, int64_t c) { return f.scale(c); },
            [f](const Point&, int64_t c) { return f.zero(c); }};
}

// The learned scale; a power of two straight through the rounding of its exponent.
inline std::function<double(const Point&, int64_t)> learned_scale(const Frozen& f) {
    return [f](const Point& p, int64_t c) {
        const double s = f.at.learned[0][c];
        return p.learned[0][c] * (f.pot() ? power_of_two_near(s) / s : 1.0);
    };
}

inline std::vector<double> each_channel(const Frozen& f,
                                        const std::function<double(int64_t)>& scale) {
    std::vector<double> scales;
    for (int64_t c = 0; c < f.layout.channels; ++c) scales.push_back(scale(c));
    return scales;
}

inline std::vector<double> range_scales(const Frozen& f) {
    return each_channel(
        f, [&](int64_t c) { return scale_of_range(f, f.kept("low", c), f.kept("high", c)); });
}

// ---- the algorithms

inline Surrogate lsq_surrogate(const Frozen& f) {
    Uniform u = fixed_grid(f);
    u.scale = learned_scale(f);
    if (f.q.free_zero_point) {
        u.zero = [f](const Point& p, int64_t c) {
            const double z = f.at.learned[1][c];
            return p.learned[1][c] + (std::rint(z) - z);
        };
    }
    Surrogate result = surrogate_of(f, u);
    result.scales = each_channel(f, [&](int64_t c) { return u.scale(f.at, c); });
    return result;
}

// With an integer zero point, straight through the rounding of -beta/s.
inline Surrogate lsq_plus_surrogate(const Frozen& f) {
    Uniform u = fixed_grid(f);
    u.scale = learned_scale(f);
    u.rounded_decides = false;
    if (f.q.free_zero_point) {
        const auto real = [u](const Point& p, int64_t c) {
            return -p.learned[1][c] / u.scale(p, c);
        };
        u.zero = [f, real](const Point& p, int64_t c) {
            const double z = real(f.at, c);
            return real(p, c) + (f.q.simulate == Simulate::exact ? std::rint(z) - z : 0.0);
        };
    }
    Surrogate result = surrogate_of(f, u);
    result.scales = each_channel(f, [&](int64_t c) { return u.scale(f.at, c); });
    return result;
}

// Clipped elements are alpha, or the lower clip; the grid of the range is a constant.
inline Surrogate pact_surrogate(const Frozen& f) {
    const bool two_sided = f.q.format.symmetric ? f.q.format.is_signed : f.q.free_zero_point;
    const auto low = [f, two_sided](const Point& p) -> double {
        if (!two_sided) return -INFINITY;
        return f.q.free_zero_point ? p.learned[1][0] : -p.learned[0][0];
    };
    Uniform u = fixed_grid(f);
    u.input = [f, low](const Point& p) {
        std::vector<double> clipped = p.x;
        for (size_t i = 0; i < clipped.size(); ++i) {
            const Region r = region_of(f.at.x[i], low(f.at), f.at.learned[0][0]);
            if (r != Region::inside) clipped[i] = r == Region::above ? p.learned[0][0] : low(p);
        }
        return clipped;
    };
    Surrogate result = surrogate_of(f, u);
    result.scales = {scale_of_range(f, two_sided ? low(f.at) : 0.0, f.at.learned[0][0])};
    return result;
}

inline std::vector<double> tanh_of(const std::vector<double>& x) {
    std::vector<double> t;
    for (const double v : x) t.push_back(std::tanh(v));
    return t;
}

// The position of the largest magnitude is frozen too.
inline Surrogate dorefa_surrogate(const Frozen& f) {
    Uniform u = fixed_grid(f);
    if (f.q.role == Role::activation) {
        const bool signs = f.q.format.symmetric ? f.q.format.is_signed : f.q.free_zero_point;
        Surrogate result = surrogate_of(f, u);
        result.scales = {scale_of_range(f, signs ? -1.0 : 0.0, 1.0)};
        return result;
    }
    const std::vector<double> now = tanh_of(f.at.x);
    const auto most = std::max_element(
        now.begin(), now.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
    u.input = [k = most - now.begin()](const Point& p) {
        std::vector<double> t = tanh_of(p.x);
        const double m = std::fabs(t[k]) + 1e-5;
        for (double& v : t) v /= m;
        return t;
    };
    Surrogate result = surrogate_of(f, u);
    std::vector<double> low(f.layout.channels, INFINITY), high(f.layout.channels, -INFINITY);
    const std::vector<double> input = u.input(f.at);
    for (size_t i = 0; i < input.size(); ++i) {
        low[f.channel(i)] = std::min(low[f.channel(i)], input[i]);
        high[f.channel(i)] = std::max(high[f.channel(i)], input[i]);
    }
    result.scales = each_channel(f, [&](int64_t c) { return scale_of_range(f, low[c], high[c]); });
    return result;
}

// The soft staircase itself; s and z are constants.
inline Surrogate soft_staircase(const Frozen& f) {
    const auto phi = [](double v, double floor) {
        return floor + 0.5 + 0.5 / 0.6 * std::tanh(std::log(2.0 / 0.4 - 1.0) * (v - floor - 0.5));
    };
    Surrogate result;
    std::vector<Piece> pieces;
    for (size_t i = 0; i < f.at.x.size(); ++i) {
        const double v = f.at.x[i] / f.scale(f.channel(i)) + f.zero(f.channel(i));
        pieces.push_back(piece_of(v, f.qmin(), f.qmax(), false));
        result.sure.push_back(pieces[i].sure && std::fabs(v - std::rint(v)) > 1e-3);
        pieces[i].residual = std::floor(v);  // the step that contains it
    }
    result.values = [f, pieces, phi](const Point& p) {
        std::vector<double> values;
        for (size_t i = 0; i < p.x.size(); ++i) {
            const int64_t c = f.channel(i);
            const double v = p.x[i] / f.scale(c) + f.zero(c);
            // The rounding from phi to its code has the residual that is frozen.
            const double v0 = f.at.x[i] / f.scale(c) + f.zero(c), step = pieces[i].residual;
            const double code = phi(v, step) + std::rint(phi(v0, step)) - phi(v0, step);
            const double edge = pieces[i].region == Region::below ? f.qmin() : f.qmax();
            const bool inside = pieces[i].region == Region::inside;
            values.push_back(f.scale(c) * ((inside ? code : edge) - f.zero(c)));
        }
        return values;
    };
    return result;
}

inline Surrogate dsq_surrogate(const Frozen& f) {
    Surrogate result =
        f.q.dsq_form == DsqForm::soft ? soft_staircase(f) : surrogate_of(f, fixed_grid(f));
    result.scales = range_scales(f);
    return result;
}

inline Surrogate minmax_surrogate(const Frozen& f) {
    Surrogate result = surrogate_of(f, fixed_grid(f));
    result.scales = f.q.follows_range ? range_scales(f) : each_channel(f, [&](int64_t c) {
        const double s = f.kept("scale", c);
        return f.pot() ? power_of_two_near(s) : s;
    });
    return result;
}

// Straight through the ceiling of the exponent.
inline Surrogate tqt_surrogate(const Frozen& f) {
    Uniform u = fixed_grid(f);
    u.scale = [f](const Point& p, int64_t c) {
        const double l = f.at.learned[0][c];
        return std::exp2(p.learned[0][c] + (std::ceil(l) - l) - f.level_bits());
    };
    Surrogate result = surrogate_of(f, u);
    result.scales = each_channel(f, [&](int64_t c) { return u.scale(f.at, c); });
    return result;
}

inline Surrogate qil_surrogate(const Frozen& f) {
    const double n = f.q.format.qmax();
    const bool is_signed = f.q.format.is_signed;
    const auto sign = [is_signed](double x) { return is_signed && x < 0.0 ? -1.0 : 1.0; };
    const auto place = [sign](const Point& p, size_t i) {  // of |x| in [C - D, C + D]
        const double center = p.learned[0][0], width = p.learned[1][0];
        return 0.5 / width * (sign(p.x[i]) * p.x[i]) - 0.5 * center / width + 0.5;
    };
    Surrogate result;
    std::vector<Piece> pieces;
    for (size_t i = 0; i < f.at.x.size(); ++i) {
        pieces.push_back(piece_of(place(f.at, i) * n, 0.0, n, false));
        result.sure.push_back(pieces[i].sure && std::fabs(f.at.x[i]) > 1e-3);
    }
    result.values = [f, sign, place, pieces, n](const Point& p) {
        std::vector<double> values;
        for (size_t i = 0; i < p.x.size(); ++i) {
            const double inside = (place(p, i) * n + pieces[i].residual) / n;
            const double u = pieces[i].region == Region::inside  ? inside
                             : pieces[i].region == Region::below ? 0.0
                                                                 : 1.0;
            values.push_back(u * sign(f.at.x[i]));
        }
        return values;
    };
    return result;
}

// MQBench 2.7: the sums, divided by their largest. Ascending.
inline std::vector<double> apot_level_table(int bits) {
    using Row = std::vector<std::vector<double>>;
    static const std::map<int, Row> rows{
        {2, {{0, 1 / 2., 1 / 4., 1 / 8.}}},
        {3, {{0, 1 / 2., 1 / 4., 1 / 16.}, {0, 1 / 8.}}},
        {4, {{0, 1 / 2., 1 / 8., 1 / 32.}, {0, 1 / 4., 1 / 16., 1 / 64.}}},
        {5, {{0, 1 / 2., 1 / 8., 1 / 64.}, {0, 1 / 4., 1 / 16., 1 / 128.}, {0, 1 / 32.}}},
        {6,
         {{0, 1 / 2., 1 / 16., 1 / 128.},
          {0, 1 / 4., 1 / 32., 1 / 256.},
          {0, 1 / 8., 1 / 64., 1 / 512.}}}};
    std::set<double> sums{0.0};
    for (const auto& summands : rows.at(bits)) {
        std::set<double> more;
        for (const double sum : sums) {
            for (const double summand : summands) more.insert(sum + summand);
        }
        sums = more;
    }
    std::vector<double> levels;
    for (const double sum : sums) levels.push_back(sum / *sums.rbegin());
    return levels;
}

// The level nearest to d, the first at ties; true if d is clear of a tie.
inline std::pair<double, bool> nearest_in(const std::vector<double>& levels, double d) {
    double best = levels[0], second = INFINITY;
    for (const double level : levels) {
        if (std::fabs(level - d) < std::fabs(best - d)) best = level;
    }
    for (const double level : levels) {
        if (level != best) second = std::min(second, std::fabs(level - d));
    }
    return {best, second - std::fabs(best - d) > 1e-5};
}

// (w - mean) / (std + 1e-5), unbiased, of each channel; the input itself for activations.
inline std::vector<double> apot_input(const Frozen& f, const Point& p) {
    if (f.q.role == Role::activation) return p.x;
    const double n = static_cast<double>(f.layout.per_channel());
    std::vector<double> mean(f.layout.channels), squares(f.layout.channels), result;
    for (size_t i = 0; i < p.x.size(); ++i) mean[f.channel(i)] += p.x[i] / n;
    for (size_t i = 0; i < p.x.size(); ++i) {
        squares[f.channel(i)] += std::pow(p.x[i] - mean[f.channel(i)], 2) / (n - 1.0);
    }
    for (size_t i = 0; i < p.x.size(); ++i) {
        const int64_t c = f.channel(i);
        result.push_back((p.x[i] - mean[c]) / (std::sqrt(squares[c]) + 1e-5));
    }
    return result;
}

inline Surrogate apot_surrogate(const Frozen& f) {
    const std::vector<double> levels = apot_level_table(f.level_bits());
    const double lowest = f.q.format.is_signed ? -1.0 : 0.0;
    Surrogate result;
    std::vector<Piece> pieces;
    const std::vector<double> input = apot_input(f, f.at);
    for (size_t i = 0; i < input.size(); ++i) {
        const double d = input[i] / f.at.learned[0][f.channel(i)];
        const auto [level, clear] = nearest_in(levels, std::fabs(d));
        const bool apart = std::min(std::fabs(d - lowest), std::fabs(d - 1.0)) > 1e-4;
        pieces.push_back({region_of(d, lowest, 1.0), std::copysign(level, d) - d, clear && apart});
        result.sure.push_back(pieces[i].sure);
    }
    result.values = [f, pieces, lowest](const Point& p) {
        std::vector<double> values = apot_input(f, p);
        for (size_t i = 0; i < values.size(); ++i) {
            const double alpha = p.learned[0][f.channel(i)];
            const Region r = pieces[i].region;
            values[i] = r == Region::inside ? values[i] + alpha * pieces[i].residual
                                            : alpha * (r == Region::below ? lowest : 1.0);
        }
        return values;
    };
    return result;
}

// By the names of the rows.
inline const std::map<std::string, Surrogate (*)(const Frozen&)>& surrogates() {
    static const std::map<std::string, Surrogate (*)(const Frozen&)> table{
        {"lsq", lsq_surrogate},       {"lsq+", lsq_plus_surrogate}, {"pact", pact_surrogate},
        {"dorefa", dorefa_surrogate}, {"dsq", dsq_surrogate},       {"qil", qil_surrogate},
        {"apot", apot_surrogate},     {"minmax", minmax_surrogate}, {"tqt", tqt_surrogate}};
    return table;
}

}  // namespace gradus
