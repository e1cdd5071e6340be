#include "quant/numerics.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "quant/calibration.h"
#include "quant/format.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(numerics, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(ranges_are_those_of_the_benchmark) {  // MQBench 1.2
    struct Row {
        int bits, lo, hi, unsigned_hi, narrow_lo;
    };
    for (const Row& r : {Row{2, -2, 1, 3, -1}, Row{3, -4, 3, 7, -3}, Row{4, -8, 7, 15, -7},
                         Row{8, -128, 127, 255, -127}}) {
        QuantFormat format;
        format.bits = r.bits;
        BOOST_TEST(format.qmin() == r.lo);
        BOOST_TEST(format.qmax() == r.hi);
        format.narrow = true;
        BOOST_TEST(format.qmin() == r.narrow_lo);
        format.narrow = false;
        format.is_signed = false;
        BOOST_TEST(format.qmin() == 0);
        BOOST_TEST(format.qmax() == r.unsigned_hi);
    }
}

BOOST_AUTO_TEST_CASE(bits_out_of_range_are_a_usage_error) {
    for (int bits : {-1, 0, 1, 9, 16}) {
        QuantFormat format;
        format.bits = bits;
        BOOST_CHECK_EXCEPTION(format.validate("w"), Error,
                              [](const Error& e) { return e.kind() == ErrorKind::usage; });
    }
}

BOOST_AUTO_TEST_CASE(the_zero_point_is_added_after_rounding) {
    // x = 0.5, s = 1, z = 1: rounding 0.5 + 1 gives 2, rounding 0.5 and adding 1 gives 1.
    BOOST_TEST(quantize_value(0.5f, 1.0f, 1, 0, 15) == 1);
    BOOST_TEST(quantize_value(1.5f, 1.0f, 1, 0, 15) == 3);
}

BOOST_AUTO_TEST_CASE(division_is_true_division) {
    // Midpoints (k + 1/2) s as floats: the quotient decides the code, and for many of them the
    // product with a rounded reciprocal decides another.
    int64_t differ = 0, wrong = 0;
    for (int i = 0; i < 20000; ++i) {
        const float s = 0.001f + 0.0001f * static_cast<float>(i % 997);
        const int k = i % 254 - 127;
        const float x = (static_cast<float>(k) + 0.5f) * s;
        const int32_t q = quantize_value(x, s, 0, -128, 127);
        // The quotient of two floats in double, rounded to float, is the float quotient.
        const auto v = static_cast<float>(static_cast<double>(x) / static_cast<double>(s));
        wrong += q != clamp_code(round_half_even(v), -128, 127);
        differ += q != clamp_code(round_half_even(x * (1.0f / s)), -128, 127);
    }
    BOOST_TEST(wrong == 0);
    BOOST_TEST(differ > 1000);
}

BOOST_AUTO_TEST_CASE(what_is_not_a_number_or_not_finite_has_a_code) {
    BOOST_TEST(quantize_value(NAN, 1.0f, 3, 0, 15) == 0);
    BOOST_TEST(quantize_value(INFINITY, 1.0f, 3, 0, 15) == 15);
    BOOST_TEST(quantize_value(-INFINITY, 1.0f, 3, 0, 15) == 0);
    BOOST_TEST(quantize_value(3e38f, 1e-38f, 0, -8, 7) == 7);
}

BOOST_AUTO_TEST_CASE(biases_round_to_even_and_saturate) {
    BOOST_TEST(quantize_bias_value(0.25f, 0.1f) == 2);    // 2.5 in float
    BOOST_TEST(quantize_bias_value(-0.75f, 0.5f) == -2);  // -1.5
    BOOST_TEST(quantize_bias_value(1e30f, 1.0f) == INT32_MAX);
    BOOST_TEST(quantize_bias_value(-1e30f, 1.0f) == INT32_MIN);
}

BOOST_AUTO_TEST_CASE(power_of_two_scales) {  // MQBench 1.4
    const std::vector<std::pair<float, float>> table{
        {0.1f, 0.125f}, {0.3f, 0.25f},   {0.35f, 0.25f}, {0.36f, 0.5f},
        {0.707f, 0.5f}, {0.7072f, 1.0f}, {1.5f, 2.0f},   {1.0f, 1.0f}};
    for (const auto& [s, pot] : table) BOOST_TEST(power_of_two_scale(s) == pot);
}

BOOST_AUTO_TEST_CASE(scales_from_a_range) {  // MQBench 1.7: w = [.9, -.2, .1, -.5, .3, .4]
    const Tensor w = Tensor::from(std::vector<float>{.9f, -.2f, .1f, -.5f, .3f, .4f}, {6});
    const Range range = observe_range(w, -1);
    const float lo = range.min.data<float>()[0], hi = range.max.data<float>()[0];
    QuantFormat format;
    format.bits = 4;
    const double percent = 1e-4;
    BOOST_CHECK_CLOSE(scale_from_range(lo, hi, format).scale, 0.12, percent);
    format.narrow = true;
    BOOST_CHECK_CLOSE(scale_from_range(lo, hi, format).scale, 0.1285714, percent);
    format.narrow = false;
    format.symmetric = false;
    BOOST_CHECK_CLOSE(scale_from_range(lo, hi, format).scale, 0.0933333, percent);
    BOOST_TEST(scale_from_range(lo, hi, format).zero_point == -3);
    format.is_signed = false;
    BOOST_TEST(scale_from_range(lo, hi, format).zero_point == 5);
    format.symmetric = true;  // adaptive sign: M / (qmax - qmin)
    BOOST_CHECK_CLOSE(scale_from_range(0.0f, hi, format).scale, 0.06, percent);
    BOOST_TEST(scale_from_range(0.0f, 0.0f, format).scale == kScaleFloor);
}

BOOST_AUTO_TEST_SUITE_END()
