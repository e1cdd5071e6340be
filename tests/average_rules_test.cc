// Averages of codes by every rule, for sums that meet every residue, against exact integers.
#include <boost/test/unit_test.hpp>
#include <set>

#include "quant/average.h"
#include "tests/dyadic.h"

using namespace gradus;

namespace {

const PoolRule all_rules[] = {PoolRule::real,    PoolRule::mean,      PoolRule::mean_single,
                              PoolRule::xnnpack, PoolRule::half_away, PoolRule::truncated,
                              PoolRule::mantissa};
const int32_t counts[] = {1, 2, 3, 4, 5, 6, 8, 9, 12, 14, 16, 25, 49, 64, 100, 196, 1024};

struct Grid8 {
    float scale;
    int32_t zero_point, lo, hi;
};
const Grid8 grids[] = {{0.05f, 0, 0, 255},        {0.0371f, 3, 0, 255},   {0.7f, 128, 0, 255},
                       {0.1f, 255, 0, 255},       {0.25f, 7, 7, 200},     {1.0f / 3, 0, -128, 127},
                       {0.013f, -128, -128, 127}, {2.0f, 127, -128, 127}, {0.9f, -5, -128, 127}};

// The division of a rule's definition; `num / den` need not be dyadic, so ties are found in
// integers.
__int128 half_away(__int128 num, __int128 den) {
    return num < 0 ? -floor_divide(-2 * num + den, 2 * den) : floor_divide(2 * num + den, 2 * den);
}

__int128 by_definition(PoolRule rule, int32_t sum, int32_t n, const Grid8& g) {
    const __int128 centred = sum - __int128{n} * g.zero_point;
    const Dyadic s = Dyadic::of(g.scale), count = Dyadic::of(int64_t{n});
    switch (rule) {
        case PoolRule::half_away:
            return half_away(sum, n);
        case PoolRule::truncated:
            return sum < 0 ? -floor_divide(-__int128{sum}, n) : floor_divide(sum, n);
        case PoolRule::mantissa: {
            const Dyadic reciprocal = Dyadic::of(int64_t{1}) / count;
            const int shift = 16 - (reciprocal.exponent + reciprocal.bits());
            const __int128 m = half_away(__int128{1} << shift, n);
            return Dyadic{sum * m, -shift}.integer(up);
        }
        case PoolRule::real: {
            const Dyadic m = (s / (s * count).f32()).f32();
            return (Dyadic::of(static_cast<int64_t>(centred)).f32() * m).f32().integer(even) +
                   g.zero_point;
        }
        case PoolRule::xnnpack: {
            const Dyadic m = (Dyadic::of(int64_t{1}) / count).f32();
            const Dyadic zeros = (Dyadic::of(int64_t{n} * g.zero_point) * m).f32();
            const Dyadic offset =
                (Dyadic::of(int64_t{g.zero_point}) + Dyadic{-zeros.n, zeros.exponent}).f32();
            return ((Dyadic::of(int64_t{sum}) * m).f32() + offset).f32().integer(even);
        }
        default:
            break;
    }
    int e = 1;
    __int128 q = __int128{1} << 30;
    for (int32_t rest = n; rest > 1; rest /= 2) q *= 2, --e;
    q /= n;
    if (rule == PoolRule::mean_single) {
        return Dyadic{centred * q, e - 31}.integer(up) + g.zero_point;
    }
    const __int128 left = e > 0 ? centred << e : centred;
    const __int128 high = floor_divide(left * q + (1 << 30), __int128{1} << 31);
    return Dyadic{high, std::min(e, 0)}.integer(away) + g.zero_point;
}

// From the least possible sum to the greatest, in steps that meet every residue of the count.
template <class Visit>
void sweep(const Visit& visit) {
    for (const Grid8& g : grids) {
        const int32_t least = g.lo < 0 ? -128 : 0;
        for (const int32_t n : counts) {
            std::set<int32_t> residues;
            const int32_t step = n > 49 ? 13 : 1;  // 13 has no factor in common with them
            for (int32_t sum = least * n; sum <= (least + 255) * n; sum += step) {
                residues.insert((sum % n + n) % n);
                visit(sum, n, g);
            }
            BOOST_REQUIRE(residues.size() == static_cast<size_t>(n));
        }
    }
}

int32_t found(PoolRule rule, int32_t sum, int32_t n, const Grid8& g) {
    const AverageConstants k = average_constants(rule, g.scale, n);
    return average_code(rule, sum, n, k, g.zero_point, g.lo, g.hi);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(average_rules, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_sum_equals_the_definition) {
    for (const PoolRule rule : all_rules) {
        int64_t wrong = 0, checked = 0;
        sweep([&](int32_t sum, int32_t n, const Grid8& g) {
            const __int128 want = by_definition(rule, sum, n, g);
            wrong += found(rule, sum, n, g) != (want < g.lo ? g.lo : want > g.hi ? g.hi : want);
            ++checked;
        });
        BOOST_TEST_MESSAGE(rule_name(rule) << ": " << checked << " sums");
        BOOST_TEST(wrong == 0, rule_name(rule) << ": " << wrong << " of " << checked);
    }
}

BOOST_AUTO_TEST_CASE(the_sums_tell_all_rules_apart) {
    for (const PoolRule one : all_rules) {
        for (const PoolRule other : all_rules) {
            if (one >= other) continue;
            int64_t apart = 0;
            sweep([&](int32_t sum, int32_t n, const Grid8& g) {
                apart += found(one, sum, n, g) != found(other, sum, n, g);
            });
            BOOST_TEST_MESSAGE(rule_name(one) << " and " << rule_name(other) << ": " << apart);
            BOOST_TEST(apart > 0, rule_name(one) << " and " << rule_name(other));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
