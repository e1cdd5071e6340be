// TQT: thresholds in the log domain (arXiv 1903.08066, Eq. 4 to 8), always powers of two.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(tqt, *boost::unit_test::label("unit"))

namespace {

Quantizer with(const QuantFormat& format, float log2_threshold) {
    Quantizer q = make_quantizer({"tqt", Role::weight, format});
    set_parameter(q, "log2_threshold", {log2_threshold});
    return q;
}

float first_value(const std::vector<float>& x, Calibration calibration = Calibration::own) {
    QuantizerKind kind{"tqt", Role::weight, format_of(4)};
    kind.calibration = calibration;
    Quantizer q = make_quantizer(kind);
    observe(q, row_of(x));
    return q.values_of("log2_threshold")[0];
}

}  // namespace

// s = 2^2 / 2^3: LSQ's golden vector (MQBench 2.1), ds = 6.5, times ds/dl = s ln 2.
BOOST_AUTO_TEST_CASE(signed_as_lsq_in_the_log_domain) {
    for (const float l : {1.3f, 2.0f}) {
        Quantizer q = with(format_of(4), l);
        const Use now = use(q, {-5, -1, -.25f, 0, .25f, .75f, 1.1f, 3.4f, 3.75f, 9});
        BOOST_TEST(now.scale() == 0.5f);
        BOOST_TEST(near(now.x_hat(), {-4, -1, 0, 0, 0, 1, 1, 3.5, 3.5, 3.5}, 0));
        BOOST_TEST(near(now.dx(), {0, 1, 1, 1, 1, 1, 1, 1, 0, 0}, 0));
        BOOST_TEST(near({now.learned(0)}, {0.5 * std::numbers::ln2 * 6.5}, 1e-6));
    }
}

// s = 2^2 / 2^4.
BOOST_AUTO_TEST_CASE(unsigned_range) {
    Quantizer q = with(format_of(4, false), 1.3f);
    const Use now = use(q, {-1, 0.3f, 3.7f, 3.9f});
    BOOST_TEST(now.scale() == 0.25f);
    BOOST_TEST(near(now.x_hat(), {0, .25, 3.75, 3.75}, 0));
    BOOST_TEST(near(now.dx(), {0, 1, 1, 0}, 0));
    // Below: qmin = 0. Inside: 1 - 1.2 and 15 - 14.8. Above: 15.
    BOOST_TEST(near({now.learned(0)}, {0.25 * std::numbers::ln2 * 15.0}, 1e-5));
}

BOOST_AUTO_TEST_CASE(no_gradient_scale_unless_given) {
    Quantizer q = with(format_of(4), 1.3f);
    q.gradient_scale = 0.5f;
    BOOST_TEST(near({use(q, {9.0f}).learned(0)}, {0.5 * 0.5 * std::numbers::ln2 * 7}, 1e-6));
}

BOOST_AUTO_TEST_CASE(the_ceiling_steps_at_whole_numbers) {
    for (const auto& [l, scale] : std::vector<std::pair<float, float>>{
             {2.0f, 0.5f}, {2.0001f, 1.0f}, {1.9999f, 0.5f}, {-0.5f, 0.125f}, {-1.0f, 0.0625f}}) {
        Quantizer q = with(format_of(4), l);
        BOOST_TEST(use(q, {0.0f}).scale() == scale, l);
    }
}

BOOST_AUTO_TEST_CASE(first_value_is_the_largest_magnitude_or_the_calibrated_one) {
    BOOST_TEST(near({first_value(golden_weights)}, {std::log2(0.9)}, 1e-6));
    BOOST_TEST(near({first_value({-3.0f, 1.0f})}, {std::log2(3.0)}, 1e-6));
    // s of MQBench 1.3 times the 2^3 codes below zero.
    BOOST_TEST(
        near({first_value(golden_weights, Calibration::min_max)}, {std::log2(0.12 * 8)}, 1e-6));
}

BOOST_AUTO_TEST_CASE(scales_stay_normal_numbers) {
    BOOST_TEST(std::isfinite(first_value({0.0f, 0.0f})));
    Quantizer q = with(format_of(4), -1000.0f);
    BOOST_TEST(use(q, {0.0f}).scale() == kScaleFloor);
    set_parameter(q, "log2_threshold", {1000.0f});
    BOOST_TEST(std::isfinite(use(q, {0.0f}).scale()));
}

BOOST_AUTO_TEST_CASE(zero_points_are_refused) {
    for (const bool free : {true, false}) {
        BOOST_TEST(throws(ErrorKind::usage, {"tqt", "no zero point"}, [&] {
            make_quantizer({"tqt", Role::activation, format_of(8, false, false), free});
        }));
    }
}

BOOST_AUTO_TEST_SUITE_END()
