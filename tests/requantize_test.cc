// The rules against exact rational arithmetic, on vectors that seek ties, and against vectors of
// onnxruntime itself.
#include "quant/requantize.h"

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "io/npy.h"
#include "quant/average.h"
#include "quant/residual_add.h"
#include "tensor/rng.h"
#include "tests/dyadic.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(requantize, *boost::unit_test::label("unit"))

namespace {

Tensor golden(const char* name) {
    return load_npy(std::string("tests/golden/onnxruntime/") + name + ".npy");
}

// One accumulator and everything that decides its code: the layer's sum, a bias in real units,
// scales, grids.
struct Vector {
    int32_t acc;
    float bias, sx, sw;
    OutputGrid y;
    int32_t lo, hi;
    bool per_channel;

    bool powers_of_two() const {
        return Dyadic::of(sx).power_of_two() && Dyadic::of(sw).power_of_two() &&
               Dyadic::of(y.scale).power_of_two();
    }
    // The accumulator with an int32 bias, for rules without a float bias.
    int64_t biased() const {
        return acc +
               (Dyadic::of(bias) / (Dyadic::of(sx) * Dyadic::of(sw)).f32()).f32().integer(even);
    }
};

// Evaluates each rule's definition, without float operations. The clamp comes last.
__int128 by_definition(RequantizeRule rule, const Vector& v) {
    const Dyadic sx = Dyadic::of(v.sx), sw = Dyadic::of(v.sw), sy = Dyadic::of(v.y.scale);
    const Dyadic product = (sx * sw).f32(), one = Dyadic::of(1.0f), bias = Dyadic::of(v.bias);
    const Dyadic acc = Dyadic::of(has_real_bias(rule) ? v.acc : v.biased()).f32();
    const Dyadic m = (product / sy).f32();
    const int32_t z = v.y.zero_point;
    switch (rule) {
        case RequantizeRule::r1:
            return (acc * m).f32().integer(even) + z;
        case RequantizeRule::r1b:
            return (acc * (product * (one / sy).f32()).f32()).f32().integer(even) + z;
        case RequantizeRule::r1c: {
            const Dyadic reciprocals = ((one / sx).f32() * (one / sw).f32()).f32();
            const Dyadic sum = (acc + (bias * reciprocals).f32()).f32();
            const Dyadic scaled = (sum * ((one / sy).f32() / reciprocals).f32()).f32();
            return (scaled + Dyadic::of(int64_t{z})).f32().integer(even);
        }
        case RequantizeRule::r1f: {
            const Dyadic b = v.per_channel ? (bias / product).f32() : bias * (one / product).f32();
            return ((acc + b).f32() * m).f32().integer(even) + z;
        }
        case RequantizeRule::r9:
            return ((acc * m).f32() + (bias / sy).f32()).f32().integer(even) + z;
        case RequantizeRule::r10:
            return (acc * m.truncated(11)).f32().integer(even) + z;
        default:
            break;
    }
    const __int128 whole = v.biased();
    if (rule == RequantizeRule::r5)
        return (Dyadic::of(v.biased()) * (sx * sw / sy)).integer(up) + z;
    if (rule == RequantizeRule::r8) {
        const Dyadic steps = sy / (sx * sw);
        const int32_t levels = v.y.qmax - v.y.qmin;
        const __int128 range = (steps * Dyadic::of(int64_t{levels})).integer(up);
        const __int128 recip = floor_divide(__int128{levels} << 31, range > 1 ? range : 1);
        const __int128 min =
            saturated((steps * Dyadic::of(int64_t{v.y.qmin - z})).integer(away), INT32_MAX);
        const __int128 level = floor_divide((whole - min) * recip + (1 << 30), __int128{1} << 31);
        return v.y.qmin + std::min(std::max(level, __int128{0}), __int128{levels});
    }
    // Q31: m from doubles, in [1/2, 1) 2^e.
    const Dyadic real = (sx * sw / sy).rounded(53);
    int e = real.exponent + real.bits();
    __int128 q = Dyadic{real.n, -real.bits() + 31}.integer(away);
    if (q == __int128{1} << 31) q >>= 1, ++e;
    if (e < -31) return z;
    if (rule == RequantizeRule::r3) return Dyadic{whole * q, e - 31}.integer(up) + z;
    const __int128 left = saturated(e > 0 ? whole << std::min(e, 64) : whole, INT32_MAX);
    const __int128 high = floor_divide(left * q + (1 << 30), __int128{1} << 31);
    return Dyadic{high, std::min(e, 0)}.integer(away) + z;
}

int32_t expected(RequantizeRule rule, const Vector& v) {
    const __int128 q = by_definition(rule, v);
    return static_cast<int32_t>(q < v.lo ? v.lo : q > v.hi ? v.hi : q);
}

int32_t found(RequantizeRule rule, const Vector& v) {
    const RequantizeConstants k =
        requantize_constants(rule, v.sx, v.sw, v.y, v.bias, v.per_channel);
    const int64_t acc = has_real_bias(rule) ? v.acc : v.biased();
    return requantize_value(rule, static_cast<int32_t>(acc), k, v.y, v.lo, v.hi);
}

const std::vector<OutputGrid>& grids() {
    static const std::vector<OutputGrid> all{
        {0.091f, 0, 0, 255},     {0.0173f, 255, 0, 255},  {0.77f, 127, 0, 255},
        {1.0f, 128, 0, 255},     {0.25f, 7, 0, 255},      {0.0371f, -128, -128, 127},
        {0.5f, 127, -128, 127},  {3.1f, -1, -128, 127},   {0.0078125f, 0, -128, 127},
        {0.0099f, 0, -127, 127}, {0.613f, 64, -128, 127}, {0.31f, 5, 0, 15},
        {0.125f, -3, -8, 7},     {1.0f / 3, 0, 0, 3}};
    return all;
}

// Accumulators with log-uniform magnitudes, around 2^24 and at the ends of int32.
int64_t seek_accumulator(const Rng& rng, int64_t i) {
    const int64_t magnitude = (int64_t{1} << 31 | rng.bits(8 * i)) >> rng.below(8 * i + 1, 32);
    switch (i % 8) {
        case 0:
            return (1 << 24) + static_cast<int64_t>(rng.below(8 * i + 2, 64)) - 32;
        case 1:
            return INT32_MAX - static_cast<int64_t>(rng.below(8 * i + 2, 300));
        default:
            return std::max<int64_t>(1, std::min<int64_t>(magnitude >> 1, INT32_MAX));
    }
}

// Tie-seeking vectors by bias injection: for an accumulator A and a target k + 1/2 the weight scale
// f32((k + 1/2) s_y / (A s_x)) lands within an ulp of the tie. `exact` takes powers of two and
// odd multiples of half a step: ties without error.
std::vector<Vector> tie_seekers(bool exact, bool with_bias) {
    std::vector<Vector> vectors;
    const Rng rng = Rng(11).split(2 * exact + with_bias);
    const float inputs[] = {0.0173f, 1.0f, 0.0031f, 0.33f};
    for (const OutputGrid& grid : grids()) {
        for (int64_t j = 0; j < 8192; ++j) {
            const int64_t i = static_cast<int64_t>(vectors.size());
            Vector v{0, 0, inputs[i / 8 % 4], 0, grid, grid.qmin, grid.qmax, i % 3 == 0};
            const int32_t reach = grid.qmax - grid.qmin + 5;
            const int32_t k =
                grid.qmin - grid.zero_point - 2 + static_cast<int32_t>(rng.below(8 * i + 3, reach));
            int64_t total = seek_accumulator(rng, i);
            if (exact) {
                const int shift = static_cast<int>(rng.below(8 * i + 4, 22)) + 1;
                v.y.scale = std::ldexp(1.0f, static_cast<int>(rng.below(8 * i + 5, 9)) - 6);
                v.sx = std::ldexp(1.0f, static_cast<int>(rng.below(8 * i + 6, 9)) - 6);
                v.sw = std::ldexp(v.y.scale / v.sx, -shift);
                total = (2 * int64_t{k} + 1) << (shift - 1);
            } else {
                v.sw = static_cast<float>(std::abs(k + 0.5) * double{v.y.scale} /
                                          (static_cast<double>(total) * double{v.sx}));
                if (k < 0) total = -total;
            }
            if (with_bias) {  // in the middle of two codes of the bias, or anywhere
                const float part = static_cast<float>(rng.below(8 * i + 7, 2048)) / 4 - 256;
                v.bias = part * (v.sx * v.sw);
                total = std::clamp<int64_t>(total, INT32_MIN + 512, INT32_MAX - 512);
                total -= static_cast<int64_t>(part);
            }
            v.acc = static_cast<int32_t>(total);
            if (i % 5 == 0) v.lo = std::max(v.lo, v.y.zero_point);  // a fused ReLU
            vectors.push_back(v);
        }
    }
    return vectors;
}

// Any accumulator with any scale: results far outside the codes, multipliers above 1 and tiny.
std::vector<Vector> far_ones() {
    std::vector<Vector> vectors;
    const Rng rng(12);
    const int64_t ends[] = {0, 1, -1, INT32_MAX, INT32_MIN, 1 << 24, (1 << 24) + 1, -(1 << 30)};
    for (int64_t i = 0; i < 65536; ++i) {
        const OutputGrid& grid = grids()[i % grids().size()];
        Vector v{static_cast<int32_t>(rng.bits(4 * i)) >> rng.below(4 * i + 1, 31),
                 0,
                 0.0173f,
                 0,
                 grid,
                 grid.qmin,
                 grid.qmax,
                 true};
        if (i % 7 == 0) v.acc = static_cast<int32_t>(ends[i / 7 % 8]);
        v.sw = std::ldexp(0.5f + rng.uniform(4 * i + 2) / 2,
                          static_cast<int>(rng.below(4 * i + 3, 70)) - 40);
        vectors.push_back(v);
    }
    return vectors;
}

const RequantizeRule all_rules[] = {RequantizeRule::r1,  RequantizeRule::r1b, RequantizeRule::r1c,
                                    RequantizeRule::r1f, RequantizeRule::r2,  RequantizeRule::r3,
                                    RequantizeRule::r5,  RequantizeRule::r8,  RequantizeRule::r9,
                                    RequantizeRule::r10};

void check_rule(RequantizeRule rule, const std::vector<Vector>& vectors) {
    int64_t wrong = 0, checked = 0;
    for (const Vector& v : vectors) {
        if (rule == RequantizeRule::r5 && !v.powers_of_two()) continue;
        ++checked;
        if (found(rule, v) == expected(rule, v)) continue;
        if (++wrong > 3) continue;
        BOOST_TEST_MESSAGE(rule_name(rule)
                           << ": acc " << v.acc << " bias " << v.bias << " sx " << v.sx << " sw "
                           << v.sw << " sy " << v.y.scale << " z " << v.y.zero_point << ": "
                           << found(rule, v) << ", not " << expected(rule, v));
    }
    BOOST_TEST(wrong == 0, rule_name(rule) << ": " << wrong << " of " << checked << " are wrong");
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_rule_equals_its_definition_near_ties) {
    for (const RequantizeRule rule : all_rules) {
        check_rule(rule, tie_seekers(false, false));
        check_rule(rule, tie_seekers(false, true));
    }
}

BOOST_AUTO_TEST_CASE(every_rule_equals_its_definition_on_ties) {
    for (const RequantizeRule rule : all_rules) {
        check_rule(rule, tie_seekers(true, false));
        check_rule(rule, tie_seekers(true, true));
    }
}

BOOST_AUTO_TEST_CASE(every_rule_equals_its_definition_far_from_the_codes) {
    for (const RequantizeRule rule : all_rules) check_rule(rule, far_ones());
}

// Half an accumulator in a step of the output: below an odd zero point R8's range begins on a tie.
BOOST_AUTO_TEST_CASE(the_lowest_accumulator_of_r8_is_rounded_away_from_zero) {
    std::vector<Vector> vectors;
    for (int32_t z = 0; z <= 255; ++z) {
        for (int32_t acc = -130; acc <= 130; ++acc) {
            vectors.push_back({acc, 0, 1.0f, 1.0f, {0.5f, z, 0, 255}, 0, 255, false});
        }
    }
    check_rule(RequantizeRule::r8, vectors);
}

// A test on vectors for which two rules agree would not distinguish them. R5 has only powers of
// two, for which R3 is the same function.
BOOST_AUTO_TEST_CASE(the_vectors_tell_all_rules_apart) {
    std::vector<Vector> vectors = tie_seekers(false, true);
    for (const Vector& v : tie_seekers(true, true)) vectors.push_back(v);
    for (const RequantizeRule one : all_rules) {
        for (const RequantizeRule other : all_rules) {
            if (one >= other) continue;
            const bool shifts = other == RequantizeRule::r5 || one == RequantizeRule::r5;
            int64_t apart = 0;
            for (const Vector& v : vectors) {
                if (shifts && !v.powers_of_two()) continue;
                apart += found(one, v) != found(other, v);
            }
            BOOST_TEST_MESSAGE(rule_name(one) << " and " << rule_name(other) << ": " << apart);
            const bool same = one == RequantizeRule::r3 && other == RequantizeRule::r5;
            BOOST_TEST((apart == 0) == same, rule_name(one) << " and " << rule_name(other));
        }
    }
}

BOOST_AUTO_TEST_CASE(rules_of_integers_do_not_round_the_accumulator) {
    const int32_t acc = 129 * (1 << 17) + 1;  // 64.5 and a little
    const Q31 m = q31_of(0x1p-18);
    BOOST_TEST(r1_requantize(acc, 0x1p-18f, 0, 0, 255) == 64);
    BOOST_TEST(r2_requantize(acc, m, 0, 0, 255) == 65);
    BOOST_TEST(r3_requantize(acc, m, 0, 0, 255) == 65);
}

BOOST_AUTO_TEST_CASE(the_accumulator_is_rounded_to_float_first) {
    // 129 * 2^17 + 1 loses its last bit in float and lands on the tie 64.5, which goes to even.
    BOOST_TEST(r1_requantize(129 * (1 << 17) + 1, 0x1p-18f, 0, 0, 255) == 64);
}

BOOST_AUTO_TEST_CASE(ties_go_to_even_before_the_zero_point) {
    for (int32_t k = -40; k <= 40; ++k) {
        const int32_t acc = 2 * k + 1;  // times 1/2: k + 1/2
        const int32_t even = k % 2 == 0 ? k : k + 1;
        BOOST_TEST(r1_requantize(acc, 0.5f, 7, -1000, 1000) == even + 7);
    }
}

BOOST_AUTO_TEST_CASE(power_of_two_multipliers_equal_rational_arithmetic) {
    const Rng rng(5);
    for (int i = 0; i < 20000; ++i) {
        const int32_t acc = static_cast<int32_t>(rng.bits(2 * i) >> 7) - (1 << 24);
        const int shift = 1 + static_cast<int>(rng.below(2 * i + 1, 20));
        const int32_t want = static_cast<int32_t>(Dyadic{acc, -shift}.integer(even));
        const int32_t got = r1_requantize(acc, std::ldexp(1.0f, -shift), 0, INT32_MIN / 2, 1 << 29);
        BOOST_REQUIRE_EQUAL(got, want);
    }
}

BOOST_AUTO_TEST_CASE(bounds_clamp_after_the_zero_point) {
    BOOST_TEST(r1_requantize(1000000, 1.0f, 5, 0, 15) == 15);
    BOOST_TEST(r1_requantize(-1000000, 1.0f, 5, 5, 15) == 5);
    BOOST_TEST(r1_requantize(INT32_MAX, 1e30f, 5, 0, 255) == 255);
    BOOST_TEST(r1_requantize(INT32_MIN, 1e30f, 5, 0, 255) == 0);
}

BOOST_AUTO_TEST_CASE(convolution_equals_onnxruntime_at_ties) {
    const Tensor acc = golden("conv_acc"), sw = golden("conv_weight_scale");
    const Tensor scales = golden("conv_scales"), zeros = golden("conv_zero_points");
    const Tensor y = golden("conv_y");
    const int64_t per_case = acc.shape()[1];
    int64_t wrong = 0, zero_inside = 0;
    for (int64_t i = 0; i < acc.numel(); ++i) {
        const float* s = scales.data<float>() + i / per_case * 2;
        const int32_t z = zeros.data<int32_t>()[i / per_case * 2 + 1];
        const int32_t a = acc.data<int32_t>()[i];
        const float m = s[0] * sw.data<float>()[i] / s[1];
        wrong += r1_requantize(a, m, z, 0, 255) != y.data<uint8_t>()[i];
        // Rounding with the zero point inside is a wrong rule here: the vectors must detect it.
        const float inside = float(a) * m + float(z);
        zero_inside += clamp_code(round_half_even(inside), 0, 255) != y.data<uint8_t>()[i];
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(zero_inside > 100);
}

BOOST_AUTO_TEST_CASE(add_equals_onnxruntime_on_all_pairs) {
    const Tensor scales = golden("add_scales"), zeros = golden("add_zero_points");
    const Tensor y = golden("add_y");
    int64_t wrong = 0, unfused = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
        const float* s = scales.data<float>() + i / 65536 * 3;
        const int32_t* z = zeros.data<int32_t>() + i / 65536 * 3;
        const AddConstants k =
            add_constants(AddRule::onnxruntime, {s[0], z[0]}, {s[1], z[1]}, {s[2], z[2]});
        const int32_t a = static_cast<int32_t>(i % 65536 / 256), b = static_cast<int32_t>(i % 256);
        wrong += add_rules::onnxruntime(a, b, k, 0, 255) != y.data<uint8_t>()[i];
        const float plain = float(a) * k.a_ratio + (float(b) * k.b_ratio + k.a_offset);
        unfused += clamp_code(round_half_even(plain), 0, 255) != y.data<uint8_t>()[i];
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(unfused > 0);  // the fused multiply-adds are part of the rule
}

BOOST_AUTO_TEST_CASE(average_equals_onnxruntime) {
    const Tensor sums = golden("average_sums"), cases = golden("average_cases");
    const Tensor scales = golden("average_scales"), y = golden("average_y");
    const int64_t per_case = sums.shape()[1];
    int64_t wrong = 0;
    for (int64_t i = 0; i < sums.numel(); ++i) {
        const int32_t count = cases.data<int32_t>()[i / per_case * 2];
        const int32_t z = cases.data<int32_t>()[i / per_case * 2 + 1];
        const float s = scales.data<float>()[i / per_case];
        const AverageConstants k = average_constants(PoolRule::real, s, count);
        const int32_t sum = sums.data<int32_t>()[i];
        wrong += average_code(PoolRule::real, sum, count, k, z, 0, 255) != y.data<uint8_t>()[i];
    }
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_SUITE_END()
