// Every pair of 8-bit codes by every addition, against definitions in exact integers.
#include "quant/residual_add.h"

#include <boost/test/unit_test.hpp>

#include "tensor/rng.h"
#include "tests/dyadic.h"

using namespace gradus;

namespace {

struct Case {
    CodeGrid a, b, y;
    int32_t lo, hi;

    bool is_unsigned() const { return lo >= 0; }
    bool powers_of_two() const {
        return Dyadic::of(a.scale).power_of_two() && Dyadic::of(b.scale).power_of_two() &&
               Dyadic::of(y.scale).power_of_two();
    }
};

// Scales: equal, 2:1, sums that tie, far apart, odd; zero points at the ends, odd, even, the
// middle.
const std::vector<Case>& cases() {
    static const std::vector<Case> all{{{0.05f, 0}, {0.05f, 0}, {0.1f, 0}, 0, 255},
                                       {{0.05f, 3}, {0.05f, 7}, {0.1f, 11}, 0, 255},
                                       {{0.05f, 128}, {0.05f, 128}, {0.05f, 128}, 0, 255},
                                       {{0.031f, 0}, {0.077f, 128}, {0.093f, 0}, 0, 255},
                                       {{1.0f, 5}, {0.5f, 250}, {0.25f, 1}, 0, 255},
                                       {{0.002f, 255}, {1.3f, 0}, {0.9f, 127}, 0, 255},
                                       {{0.1f, 255}, {0.1f, 255}, {0.3f, 255}, 0, 255},
                                       {{0.1f, 1}, {0.2f, 2}, {0.4f, 3}, 0, 255},
                                       {{0.11230737715959549f, 161},
                                        {0.8219661116600037f, 32},
                                        {0.020908964797854424f, 114},
                                        0,
                                        255},
                                       {{0.6923719644546509f, 214},
                                        {0.11361227929592133f, 146},
                                        {0.17238610982894897f, 94},
                                        0,
                                        255},
                                       {{0.25f, 0}, {0.0625f, 0}, {0.5f, 0}, 0, 255},
                                       {{0.4f, 120}, {0.37f, 131}, {0.0213f, 5}, 0, 255},
                                       {{0.8f, 128}, {0.91f, 130}, {0.0203f, 128}, 0, 255},
                                       {{1.3f, 100}, {0.003f, 7}, {0.0061f, 99}, 0, 255},
                                       {{2.0f, 30}, {1.9f, 31}, {0.00097f, 250}, 0, 255},
                                       {{0.05f, 64}, {0.05f, 60}, {0.1f, 100}, 64, 200},
                                       {{0.05f, 0}, {0.05f, 0}, {0.1f, 0}, -128, 127},
                                       {{0.05f, -128}, {0.05f, -128}, {0.1f, -128}, -128, 127},
                                       {{0.021f, 127}, {0.042f, -128}, {0.063f, -1}, -128, 127},
                                       {{0.5f, 0}, {0.25f, 0}, {1.0f, 0}, -128, 127},
                                       {{0.125f, 0}, {0.125f, 0}, {0.25f, 0}, -128, 127},
                                       {{0.0625f, 0}, {4.0f, 0}, {2.0f, 0}, -128, 127},
                                       {{2.0f, 0}, {1.0f, 0}, {0.25f, 0}, -128, 127},
                                       {{0.003f, -77}, {0.7f, 12}, {0.71f, 33}, -128, 127},
                                       {{0.3f, 9}, {0.0013f, -5}, {0.07f, 0}, -127, 127},
                                       {{1.0f / 3, -1}, {1.0f / 7, 1}, {1.0f / 5, 3}, -128, 127}};
    return all;
}

const AddRule all_rules[] = {AddRule::onnxruntime, AddRule::tflite,  AddRule::tflite_single,
                             AddRule::xnnpack,     AddRule::qnnpack, AddRule::torch,
                             AddRule::tvm,         AddRule::hexagon, AddRule::real};

// Cases that a rule cannot add: TVM only powers of two without zero points, Hexagon NN only uint8.
bool serves(AddRule rule, const Case& c) {
    if (rule == AddRule::tvm) return c.powers_of_two();
    if (rule == AddRule::hexagon)
        return c.is_unsigned() && add_refusal(rule, c.a, c.b, c.y).empty();
    return true;
}

// m = q 2^(e - 31) with 31 bits, ties away, from a double.
struct Multiplier {
    __int128 q;
    int e;
    explicit Multiplier(const Dyadic& m)
        : q(Dyadic{m.rounded(53).n, 31 - m.rounded(53).bits()}.integer(away)),
          e(m.rounded(53).exponent + m.rounded(53).bits()) {
        if (q == __int128{1} << 31) q >>= 1, ++e;
    }
    __int128 operator()(__int128 v, bool twice) const {
        if (!twice) return Dyadic{v * q, e - 31}.integer(up);
        const __int128 left = e > 0 ? v << e : v;
        return Dyadic{floor_divide(left * q + (1 << 30), __int128{1} << 31), e > 0 ? 0 : e}.integer(
            away);
    }
};

// fma(x, y, z): one rounding.
Dyadic fused(const Dyadic& x, const Dyadic& y, const Dyadic& z) {
    return (x * y + z).f32();
}
Dyadic negated(const Dyadic& v) {
    return {-v.n, v.exponent};
}

// The definition of one rule for one case, its constants made once.
struct Definition {
    AddRule rule;
    Case c;
    Dyadic sa = Dyadic::of(c.a.scale), sb = Dyadic::of(c.b.scale), sy = Dyadic::of(c.y.scale);
    Dyadic za = Dyadic::of(int64_t{c.a.zero_point}), zb = Dyadic::of(int64_t{c.b.zero_point});
    Dyadic zy = Dyadic::of(int64_t{c.y.zero_point});
    Dyadic ra = (sa / sy).f32(), rb = (sb / sy).f32();
    Dyadic twice = Dyadic::of(2.0f) * (c.a.scale > c.b.scale ? sa : sb);
    Multiplier ma{sa / twice}, mb{sb / twice}, my{twice / (Dyadic{1, 20} * sy)};
    Dyadic offset = (zy + negated(fused(ra, za, (rb * zb).f32()))).f32();
    Dyadic a_offset = negated((sa * za).f32()), b_offset = negated((sb * zb).f32());
    Dyadic reciprocal = (Dyadic::of(1.0f) / sy).f32();
    int larger = c.a.scale > c.b.scale ? log2(ra) : log2(rb);
    int hexagon_shift = 0, hexagon_cut = 1;
    int64_t hexagon_a = 0, hexagon_b = 0, hexagon_offset = 0;

    Definition(AddRule r, const Case& k) : rule(r), c(k) {
        // (a + b) / y in 16 bits: as many fractional bits as keep the sum below 2^14.
        const Dyadic ha = (reciprocal * sa).f32(), hb = (reciprocal * sb).f32();
        const Dyadic widened = ((ha + hb).f32() * Dyadic::of(16384.0f / 16380.0f)).f32();
        const int bits = std::min(5 - log2(widened), 7);
        const Dyadic unit{1, 8 + bits};
        hexagon_a = (ha * unit).integer(away);
        hexagon_b = (hb * unit).integer(away);
        // An output range that leaves no fractional bit keeps one more bit of the products, and the
        // offset is not saturated.
        const bool underrange = bits <= 0;
        hexagon_cut = 1 << (underrange ? 7 + bits : 8);
        hexagon_shift = underrange ? 1 : bits;
        hexagon_offset = (int64_t{c.y.zero_point} << hexagon_shift) -
                         static_cast<int64_t>(floor_divide(
                             c.a.zero_point * hexagon_a + c.b.zero_point * hexagon_b, hexagon_cut));
        if (!underrange)
            hexagon_offset = static_cast<int64_t>(saturated(hexagon_offset, INT16_MAX));
    }

    static int log2(const Dyadic& v) { return v.exponent + v.bits() - 1; }

    __int128 sum(int32_t a, int32_t b) const {
        const int32_t da = a - c.a.zero_point, db = b - c.b.zero_point, z = c.y.zero_point;
        const Dyadic qa = Dyadic::of(int64_t{a}), qb = Dyadic::of(int64_t{b});
        const Dyadic xa = Dyadic::of(int64_t{da}), xb = Dyadic::of(int64_t{db});
        switch (rule) {
            case AddRule::onnxruntime:
                return fused(qa, ra, fused(qb, rb, offset)).integer(even);
            case AddRule::tflite:
            case AddRule::tflite_single: {
                const bool two = rule == AddRule::tflite;
                const __int128 left = ma(da * (1 << 20), two), right = mb(db * (1 << 20), two);
                return my(left + right, two) + z;
            }
            case AddRule::xnnpack:
            case AddRule::qnnpack: {
                const bool x = rule == AddRule::xnnpack;
                const int shift = (x ? 20 : 21) - larger;
                const __int128 fa = (ra * Dyadic{1, shift}).integer(even);
                const __int128 fb = (rb * Dyadic{1, shift}).integer(even);
                return Dyadic{da * fa + db * fb, -shift}.integer(x ? up : away) + z;
            }
            case AddRule::torch: {
                const Dyadic left = fused(qa, sa, a_offset), right = fused(qb, sb, b_offset);
                return ((left + right).f32() * reciprocal).f32().integer(even) + z;
            }
            case AddRule::tvm:  // exact: powers of two
                return ((xa * sa + xb * sb) / sy).integer(up) + z;
            case AddRule::hexagon: {
                const auto t =
                    static_cast<int64_t>(floor_divide(a * hexagon_a + b * hexagon_b, hexagon_cut));
                const __int128 moved = saturated(t + hexagon_offset, INT16_MAX);
                return Dyadic{moved, -hexagon_shift}.integer(up);
            }
            default:
                return ((xa * ra).f32() + (xb * rb).f32()).f32().integer(even) + z;
        }
    }
};

std::vector<int32_t> found(AddRule rule, const Case& c) {
    const AddConstants k = add_constants(rule, c.a, c.b, c.y);
    const int32_t least = c.lo >= 0 ? 0 : -128;
    std::vector<int32_t> y;
    for (int32_t a = least; a < least + 256; ++a) {
        for (int32_t b = least; b < least + 256; ++b) {
            y.push_back(residual_add_value(rule, a, b, k, c.lo, c.hi));
        }
    }
    return y;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(residual_add, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_pair_equals_the_definition) {
    for (const AddRule rule : all_rules) {
        int64_t wrong = 0, checked = 0;
        for (const Case& c : cases()) {
            if (!serves(rule, c)) continue;
            const Definition definition(rule, c);
            const int32_t least = c.lo >= 0 ? 0 : -128;
            int64_t i = 0, bad = 0;
            for (const int32_t got : found(rule, c)) {
                const int32_t a = least + static_cast<int32_t>(i / 256);
                const int32_t b = least + static_cast<int32_t>(i % 256);
                const __int128 want = definition.sum(a, b);
                bad += got != (want < c.lo ? c.lo : want > c.hi ? c.hi : want);
                ++i;
            }
            if (bad > 0) {
                BOOST_TEST_MESSAGE(rule_name(rule)
                                   << ": " << bad << " wrong for scales " << c.a.scale << " "
                                   << c.b.scale << " " << c.y.scale);
            }
            wrong += bad, checked += i;
        }
        BOOST_TEST_MESSAGE(rule_name(rule) << ": " << checked << " pairs");
        BOOST_TEST(wrong == 0, rule_name(rule) << ": " << wrong << " of " << checked);
        BOOST_TEST(checked >= 2 * 65536);
    }
}

// For powers of two, all that TVM adds, these round the exact sum once, ties up.
bool ties_up_alike(AddRule one, AddRule other) {
    if (one == AddRule::tvm) return other == AddRule::hexagon;
    return other == AddRule::tvm && (one == AddRule::tflite_single || one == AddRule::xnnpack);
}

BOOST_AUTO_TEST_CASE(the_cases_tell_all_rules_apart) {
    std::vector<std::vector<std::vector<int32_t>>> sums;
    for (const AddRule rule : all_rules) {
        sums.emplace_back();
        for (const Case& c : cases()) {
            sums.back().push_back(serves(rule, c) ? found(rule, c) : std::vector<int32_t>{});
        }
    }
    const size_t rules = std::size(all_rules);
    for (size_t one = 0; one < rules; ++one) {
        for (size_t other = one + 1; other < rules; ++other) {
            int64_t apart = 0;
            for (size_t k = 0; k < cases().size(); ++k) {
                const auto &x = sums[one][k], &y = sums[other][k];
                for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) apart += x[i] != y[i];
            }
            BOOST_TEST_MESSAGE(rule_name(all_rules[one])
                               << " and " << rule_name(all_rules[other]) << ": " << apart);
            const bool same = ties_up_alike(all_rules[one], all_rules[other]);
            BOOST_TEST((apart == 0) == same, rule_name(all_rules[one])
                                                 << " and " << rule_name(all_rules[other]));
        }
    }
}

// XNNPACK's multipliers have 21 bits, QNNPACK's 22: a ratio of more bits may lie between two.
BOOST_AUTO_TEST_CASE(multipliers_between_two_integers_are_even) {
    const CodeGrid one{1.0f, 0};
    const auto multiplier = [&](AddRule rule, float ratio) {
        return add_constants(rule, {ratio, 0}, one, one).a_integer;
    };
    BOOST_TEST(multiplier(AddRule::xnnpack, 1 + 0x1p-21f) == 1 << 20);
    BOOST_TEST(multiplier(AddRule::xnnpack, 1 + 3 * 0x1p-21f) == (1 << 20) + 2);
    BOOST_TEST(multiplier(AddRule::qnnpack, 1 + 0x1p-22f) == 1 << 21);
    BOOST_TEST(multiplier(AddRule::qnnpack, 1 + 3 * 0x1p-22f) == (1 << 21) + 2);
}

// Hexagon NN widens the sum of the ratios by 16384 / 16380 before it takes its exponent.
BOOST_AUTO_TEST_CASE(ratios_just_below_a_power_of_two_have_one_bit_less) {
    const auto shift = [](float ratio) {
        return add_constants(AddRule::hexagon, {ratio, 0}, {ratio, 0}, {1.0f, 0}).shift;
    };
    BOOST_TEST(shift(0.9995f) == 5);
    BOOST_TEST(shift(0.9998f) == 4);
}

// Chooses scales for which the sum of an accumulator, a bias and a shortcut is within an ulp of a
// tie.
BOOST_AUTO_TEST_CASE(a_fused_sum_equals_its_definition_near_ties) {
    const Rng rng(17);
    int64_t wrong = 0, checked = 0;
    for (int64_t i = 0; i < 200000; ++i) {
        const auto draw = [&](int64_t k) { return rng.uniform(8 * i + k); };
        const auto byte = [&](int64_t k) { return static_cast<int32_t>(draw(k) * 256) - 128; };
        const int32_t q = byte(0), zero = byte(1), z = byte(2);
        const int32_t acc = static_cast<int32_t>((draw(3) - 0.5f) * 200000);
        const float bias = i % 2 ? (draw(4) - 0.5f) * 50 : 0.0f;
        const float ratio = i % 3 ? 0.02f + draw(5) : 0.5f;
        const double others = double{bias} + double{ratio} * (q - zero);
        const auto m = static_cast<float>((byte(6) - z + 0.5 - others) / acc);
        if (!(m > 1e-7f && m < 1e3f)) continue;
        const Dyadic main = (Dyadic::of(int64_t{acc}) * Dyadic::of(m)).f32() + Dyadic::of(bias);
        const Dyadic shortcut = (Dyadic::of(int64_t{q - zero}) * Dyadic::of(ratio)).f32();
        const __int128 code = (main.f32() + shortcut).f32().integer(even) + z;
        ++checked;
        wrong +=
            add_to_accumulator(acc, m, bias, q, zero, ratio, z, -128, 127) != (code < -128  ? -128
                                                                               : code > 127 ? 127
                                                                                            : code);
    }
    BOOST_TEST(checked > 50000);
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(refusals_look_at_both_ratios) {
    const CodeGrid one{1.0f, 0}, small{0x1p-15f, 0}, large{256.0f, 0}, low{0x1p-14f, 0};
    BOOST_TEST(add_refusal(AddRule::qnnpack, one, one, one).empty());
    BOOST_TEST(add_refusal(AddRule::qnnpack, one, low, one).empty());
    BOOST_TEST(!add_refusal(AddRule::qnnpack, one, small, one).empty());
    BOOST_TEST(!add_refusal(AddRule::qnnpack, small, one, one).empty());
    BOOST_TEST(!add_refusal(AddRule::qnnpack, large, one, one).empty());
    BOOST_TEST(!add_refusal(AddRule::xnnpack, one, low, one).empty());
    BOOST_TEST(add_refusal(AddRule::xnnpack, one, {0x1p-10f, 0}, one).empty());
    BOOST_TEST(!add_refusal(AddRule::xnnpack, one, {0x1.fffffep-11f, 0}, one).empty());
    BOOST_TEST(add_refusal(AddRule::hexagon, large, one, one).empty());
    BOOST_TEST(add_refusal(AddRule::hexagon, {2047.0f, 0}, {2047.5f, 0}, one).empty());
    BOOST_TEST(!add_refusal(AddRule::hexagon, {2047.5f, 0}, {2047.6f, 0}, one).empty());
    BOOST_TEST(add_refusal(AddRule::torch, small, large, one).empty());
}

BOOST_AUTO_TEST_SUITE_END()
