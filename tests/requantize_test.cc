// The rules against exact rational arithmetic and against vectors of onnxruntime itself.
#include "quant/requantize.h"

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "io/npy.h"
#include "quant/average.h"
#include "quant/residual_add.h"
#include "tensor/rng.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(requantize)

namespace {

Tensor golden(const char* name) {
    return load_npy(std::string("tests/golden/onnxruntime/") + name + ".npy");
}

int32_t exact_half_even(__int128 numerator, __int128 denominator) {
    __int128 floor = numerator / denominator;
    if (numerator % denominator != 0 && numerator < 0) --floor;
    const __int128 twice = 2 * (numerator - floor * denominator);
    if (twice > denominator || (twice == denominator && floor % 2 != 0)) ++floor;
    return static_cast<int32_t>(floor);
}

}  // namespace

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
        const int32_t expected = exact_half_even(acc, __int128{1} << shift);
        const int32_t found =
            r1_requantize(acc, std::ldexp(1.0f, -shift), 0, INT32_MIN / 2, 1 << 29);
        BOOST_REQUIRE_EQUAL(found, expected);
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
        // The zero point inside the rounding is a wrong rule: the vectors must tell.
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
