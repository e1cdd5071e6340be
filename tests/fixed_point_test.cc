// The closed forms against the functions of gemmlowp's own header (Debian's libgemmlowp-dev).
#include "quant/fixed_point.h"

#include <gemmlowp/fixedpoint/fixedpoint.h>

#include <boost/test/unit_test.hpp>

#include "tensor/rng.h"
#include "tests/dyadic.h"

using namespace gradus;

namespace {

constexpr int64_t count = 10'000'000;

// Every seventh value is an edge, or near one; the others cover all magnitudes.
int32_t seek(const Rng& rng, int64_t i, uint64_t which) {
    const uint64_t at = 4 * i + 2 * which;
    const int32_t wide = static_cast<int32_t>(rng.bits(at));
    const uint32_t choice = rng.bits(at + 1);
    if (choice % 7 != 0) return wide >> (choice / 7 % 31);
    const int32_t edges[] = {INT32_MIN, INT32_MAX - 3, -2, 1 << 30, -(1 << 30), 1 << 15};
    return edges[choice / 7 % 6] + static_cast<int32_t>(choice / 64 % 4);
}

int32_t gemmlowp_multiply(int32_t a, Q31 m) {
    const int64_t left = static_cast<int64_t>(a) << std::max(m.exponent, 0);
    const int32_t high = gemmlowp::SaturatingRoundingDoublingHighMul(saturate_int32(left), m.value);
    return gemmlowp::RoundingDivideByPOT(high, std::max(-m.exponent, 0));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fixed_point, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(ten_million_inputs_equal_gemmlowp) {
    const Rng rng(31);
    int64_t products = 0, shifts = 0, both = 0, ties_up = 0;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t a = seek(rng, i, 0), b = seek(rng, i, 1);
        const int shift = static_cast<int>(i % 32);
        products +=
            doubling_high_product(a, b) != gemmlowp::SaturatingRoundingDoublingHighMul(a, b);
        shifts += shift_half_away(a, shift) != gemmlowp::RoundingDivideByPOT(a, shift);
        const Q31 m{(b & INT32_MAX) | 1 << 30, static_cast<int32_t>(i % 63) - 31};
        both += multiply_double_rounding(a, m) != gemmlowp_multiply(a, m);
        ties_up += shift_half_up(a, shift) != gemmlowp::RoundingDivideByPOT(a, shift);
    }
    BOOST_TEST(products == 0);
    BOOST_TEST(shifts == 0);
    BOOST_TEST(both == 0);
    BOOST_TEST(ties_up > 1000);  // ties away from zero are not ties up: the inputs must tell
}

BOOST_AUTO_TEST_CASE(the_edges_equal_gemmlowp) {
    std::vector<int32_t> edges{0};
    for (int bit = 0; bit < 31; ++bit) {
        for (int32_t near = -1; near <= 1; ++near) {
            edges.push_back((1 << bit) + near);
            edges.push_back(-(1 << bit) + near);
        }
    }
    edges.insert(edges.end(), {INT32_MIN, INT32_MIN + 1, INT32_MAX});
    int64_t wrong = 0;
    for (const int32_t a : edges) {
        for (const int32_t b : edges) {
            wrong +=
                doubling_high_product(a, b) != gemmlowp::SaturatingRoundingDoublingHighMul(a, b);
        }
        for (int shift = 0; shift < 32; ++shift) {
            wrong += shift_half_away(a, shift) != gemmlowp::RoundingDivideByPOT(a, shift);
        }
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(doubling_high_product(INT32_MIN, INT32_MIN) == INT32_MAX);
    // Ties of a product go up, also below zero; those of a shift go away from zero.
    BOOST_TEST(doubling_high_product(-1, 1 << 30) == 0);
    BOOST_TEST(doubling_high_product(1, 1 << 30) == 1);
    BOOST_TEST(shift_half_away(-1, 1) == -1);
}

BOOST_AUTO_TEST_CASE(one_rounding_is_that_of_the_exact_product) {
    const Rng rng(32);
    int64_t wrong = 0;
    for (int64_t i = 0; i < 1'000'000; ++i) {
        const Q31 m{(seek(rng, i, 1) & INT32_MAX) | 1 << 30, static_cast<int32_t>(i % 62) - 31};
        const int32_t a = seek(rng, i, 0);
        const Dyadic product{__int128{a} * m.value, m.exponent - 31};
        wrong += multiply_single_rounding(a, m) != static_cast<int64_t>(product.integer(up));
    }
    BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(a_multiplier_has_31_bits_of_a_double) {
    BOOST_TEST(q31_of(1.0).value == 1 << 30);
    BOOST_TEST(q31_of(1.0).exponent == 1);
    const Q31 carried = q31_of(1.0 - 0x1p-53);  // rounds up to 2^31, not an int32
    BOOST_TEST(carried.value == 1 << 30);
    BOOST_TEST(carried.exponent == 1);
    BOOST_TEST(q31_of(0x1.00000002p-4).value == (1 << 30) + 1);  // 0.5: half away, not to even
    BOOST_TEST(q31_of(0x1p-32).exponent == -31);
    BOOST_TEST(q31_of(0x1p-33).value == 0);
    BOOST_TEST(q31_of(0.0).value == 0);
}

BOOST_AUTO_TEST_SUITE_END()
