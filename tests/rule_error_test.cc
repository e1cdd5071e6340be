// Every rule's error, against the value in long double: if the value is further than that from
// every tie, the rule gives the nearest code; and the bound is not much wider than needed.
#include "quant/rule_error.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "quant/hardware.h"
#include "tensor/rng.h"

using namespace gradus;

namespace {

constexpr int kCases = 200000;

int32_t nearest(long double v, int32_t z, int32_t lo, int32_t hi) {
    return static_cast<int32_t>(std::clamp<long double>(std::rint(v) + z, lo, hi));
}

long double distance(long double v) {
    return std::fabs(v - (std::floor(v) + 0.5L));
}

// The result of a check over many cases.
struct Outcome {
    int64_t wrong = 0;    // not the nearest code though further from a tie than the error
    int64_t needed = 0;   // not the nearest code
    double widest = 0.0;  // error
};

// Successive draws from a generator.
class Draws {
  public:
    explicit Draws(uint64_t seed) : rng_(seed) {}
    float uniform() { return rng_.uniform(next_++); }
    float logarithmic(float lo, float hi) { return lo * std::pow(hi / lo, uniform()); }
    int32_t byte() { return static_cast<int32_t>(uniform() * 256); }

  private:
    Rng rng_;
    uint64_t next_ = 0;
};

// Accumulators whose value lies within a few errors of a tie, on either side.
Outcome check_requantize(RequantizeRule rule) {
    Draws draw(7);
    Outcome outcome;
    for (int i = 0; i < kCases; ++i) {
        float sx = draw.logarithmic(1e-4f, 0.1f), sw = draw.logarithmic(1e-4f, 0.1f);
        const float m = draw.logarithmic(1e-7f, 0.7f);
        float sy = sx * sw / m;
        if (rule == RequantizeRule::r5) {
            sx = power_of_two_scale(sx), sw = power_of_two_scale(sw), sy = power_of_two_scale(sy);
        }
        const OutputGrid y{sy, draw.byte() - 128, -128, 127};
        const long double gain = static_cast<long double>(sx) * sw / sy;
        const long double target = draw.byte() - 128 - y.zero_point + 0.5L;
        const long double at = target / gain;
        if (std::fabs(at) > 1e9L) continue;
        const float bias = has_real_bias(rule) ? (draw.uniform() - 0.5f) * 50 * sy : 0.0f;
        const long double product = static_cast<long double>(sx) * sw;
        const auto acc = static_cast<int32_t>(at - bias / product) + draw.byte() % 3 - 1;
        const long double v = acc * gain + static_cast<long double>(bias) / sy;
        const auto k = requantize_constants(rule, sx, sw, y, bias, true);
        const double mass = std::fabs(acc * gain) + std::fabs(bias / sy);
        const double error = requantize_error(rule, k, y, mass);
        const int32_t code = requantize_value(rule, acc, k, y, y.qmin, y.qmax);
        const bool differs = code != nearest(v, y.zero_point, y.qmin, y.qmax);
        outcome.needed += differs;
        outcome.wrong += differs && distance(v) > error;
        outcome.widest = std::max(outcome.widest, error);
    }
    return outcome;
}

// All pairs of codes on random grids, and on those where sums tie.
Outcome check_add(AddRule rule) {
    Draws draw(9);
    Outcome outcome;
    for (int i = 0; i < 60; ++i) {
        const auto scale = [&] {
            const float s = draw.logarithmic(0.005f, 0.1f);
            return rule == AddRule::tvm ? power_of_two_scale(s) : s;
        };
        const auto zero = [&] { return draw.byte(); };
        const CodeGrid a{scale(), zero()};
        const CodeGrid b{i % 3 == 0 ? a.scale : scale(), zero()};
        const CodeGrid y{i % 3 == 0 ? 2 * a.scale : scale(), zero()};
        const AddConstants k = add_constants(rule, a, b, y);
        for (int32_t p = 0; p < 256; ++p) {
            for (int32_t q = 0; q < 256; ++q) {
                const long double v = (static_cast<long double>(a.scale) * (p - a.zero_point) +
                                       static_cast<long double>(b.scale) * (q - b.zero_point)) /
                                      y.scale;
                const double error =
                    add_error(rule, k, std::abs(p - a.zero_point), std::abs(q - b.zero_point));
                const int32_t code = residual_add_value(rule, p, q, k, 0, 255);
                const bool differs = code != nearest(v, y.zero_point, 0, 255);
                outcome.needed += differs;
                outcome.wrong += differs && distance(v) > error;
                outcome.widest = std::max(outcome.widest, error);
            }
        }
    }
    return outcome;
}

// Chooses the output's scale so that a pair's sum lies within an error of a tie, or a little
// beyond. Every other pair lies near its zero points, where the value is small but its terms are
// not.
Outcome check_add_near_ties(AddRule rule) {
    Draws draw(13);
    Outcome outcome;
    for (int i = 0; i < kCases; ++i) {
        const CodeGrid a{draw.logarithmic(0.005f, 0.1f), draw.byte()};
        const CodeGrid b{draw.logarithmic(0.005f, 0.1f), draw.byte()};
        CodeGrid y{0.0f, draw.byte()};
        const auto code = [&](int32_t zero) {
            return i % 2 ? draw.byte() : std::clamp(zero + draw.byte() % 5 - 2, 0, 255);
        };
        const int32_t p = code(a.zero_point), q = code(b.zero_point);
        const long double sum = static_cast<long double>(a.scale) * (p - a.zero_point) +
                                static_cast<long double>(b.scale) * (q - b.zero_point);
        const long double tie = draw.byte() - y.zero_point + 0.5L;
        if (!(sum / tie > 1e-4L)) continue;
        const auto error = [&] {
            return add_error(rule, add_constants(rule, a, b, y), std::abs(p - a.zero_point),
                             std::abs(q - b.zero_point));
        };
        y.scale = static_cast<float>(sum / tie);
        y.scale = static_cast<float>(sum / (tie + (2.2 * draw.uniform() - 1.1) * error()));
        if (!(y.scale > 0.0f) || !add_refusal(rule, a, b, y).empty()) continue;
        const long double v = sum / y.scale;
        const int32_t found = residual_add_value(rule, p, q, add_constants(rule, a, b, y), 0, 255);
        const bool differs = found != nearest(v, y.zero_point, 0, 255);
        outcome.needed += differs;
        outcome.wrong += differs && distance(v) > error();
    }
    return outcome;
}

void check_average_of(PoolRule rule, int32_t sum, int32_t count, const AverageConstants& k,
                      int32_t z, Outcome& outcome) {
    const long double v = static_cast<long double>(sum) / count - z;
    const double error = average_error(rule, k, count, z, static_cast<double>(std::fabs(v)));
    const bool differs = average_code(rule, sum, count, k, z, 0, 255) != nearest(v, z, 0, 255);
    outcome.needed += differs;
    outcome.wrong += differs && distance(v) > error;
    outcome.widest = std::max(outcome.widest, error);
}

// All sums of few codes; for many, whose averages come closer to ties, those next to a tie.
Outcome check_average(PoolRule rule) {
    Draws draw(11);
    Outcome outcome;
    for (const int32_t count : {4, 9, 16, 49, 64, 111 * 111, 223 * 223}) {
        for (int i = 0; i < 20; ++i) {
            const float scale = draw.logarithmic(0.005f, 0.1f);
            const auto z = draw.byte();
            const AverageConstants k = average_constants(rule, scale, count);
            for (int32_t code = 0; code < 255; ++code) {
                const int32_t reach = count > 64 ? 3 : count / 2 + 1;
                for (int32_t part = -reach; part <= reach; ++part) {
                    const int32_t sum = std::max(code * count + count / 2 + part, 0);
                    check_average_of(rule, sum, count, k, z, outcome);
                }
            }
        }
    }
    return outcome;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rule_error, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(requantization_is_within_its_error) {
    for (const char* name : {"R1", "R1b", "R1c", "R1f", "R2", "R3", "R5", "R8", "R9", "R10"}) {
        const RequantizeRule rule = find_requantize_rule(name);
        const Outcome outcome = check_requantize(rule);
        BOOST_TEST(outcome.wrong == 0, name);
        BOOST_TEST(outcome.needed > 0, name);
        // R2's first rounding can be off by half a code, R8's whole accumulators and R10's 10 bits
        // too.
        const bool coarse =
            rule == RequantizeRule::r2 || rule == RequantizeRule::r8 || rule == RequantizeRule::r10;
        BOOST_TEST(outcome.widest < (coarse ? 2.0 : 1e-3), name << ": " << outcome.widest);
    }
}

BOOST_AUTO_TEST_CASE(addition_is_within_its_error) {
    for (const AddRule rule :
         {AddRule::onnxruntime, AddRule::tflite, AddRule::tflite_single, AddRule::xnnpack,
          AddRule::qnnpack, AddRule::torch, AddRule::tvm, AddRule::hexagon, AddRule::real}) {
        const Outcome outcome = check_add(rule);
        BOOST_TEST(outcome.wrong == 0, rule_name(rule));
        BOOST_TEST(outcome.needed > 0, rule_name(rule));
        BOOST_TEST(outcome.widest < (rule == AddRule::hexagon ? 4.0 : 0.05),
                   rule_name(rule) << ": " << outcome.widest);
        if (rule == AddRule::tvm) continue;  // shifts: no error to lie within
        const Outcome near = check_add_near_ties(rule);
        BOOST_TEST(near.wrong == 0, rule_name(rule));
        BOOST_TEST(near.needed > 100, rule_name(rule) << ": " << near.needed);
    }
}

BOOST_AUTO_TEST_CASE(averages_are_within_their_error) {
    for (const PoolRule rule :
         {PoolRule::real, PoolRule::mean, PoolRule::mean_single, PoolRule::xnnpack,
          PoolRule::half_away, PoolRule::truncated, PoolRule::mantissa, PoolRule::reciprocal}) {
        const Outcome outcome = check_average(rule);
        BOOST_TEST(outcome.wrong == 0, rule_name(rule));
        BOOST_TEST((outcome.needed > 0 || rule == PoolRule::real || rule == PoolRule::reciprocal),
                   rule_name(rule));
        BOOST_TEST(outcome.widest <= 0.5, rule_name(rule) << ": " << outcome.widest);
    }
}

BOOST_AUTO_TEST_SUITE_END()
