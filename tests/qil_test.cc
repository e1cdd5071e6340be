// QIL: MQBench 2.6, the unsigned transform in both readings, and refusals.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(qil, *boost::unit_test::label("unit"))

namespace {

const std::vector<float> golden_x{0.9f, -0.2f, 0.1f, -0.5f, 0.3f, 0.4f, 0.05f, -0.95f};

Quantizer with(const QuantFormat& format, float center, float width,
               Reading reading = Reading::paper, Role role = Role::weight) {
    QuantizerKind kind{"qil", role, format};
    kind.reading = reading;
    Quantizer q = make_quantizer(kind);
    set_parameter(q, "center", {center});
    set_parameter(q, "width", {width});
    return q;
}

std::vector<float> interval_of(const Quantizer& q) {
    return {q.values_of("center")[0], q.values_of("width")[0]};
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_whole_interval) {
    Quantizer q = with(format_of(4), 0.45f, 0.45f);
    q.gradient_scale = 1.0f;
    const Use now = use_as_is(q, golden_x);
    BOOST_TEST(now.codes == (std::vector<int32_t>{7, -2, 1, -4, 2, 3, 0, -7}),
               boost::test_tools::per_element());
    const double a = 0.5 / 0.45;
    BOOST_TEST(near(now.dx(), {a, a, a, a, a, a, a, 0}, 1e-6));
    BOOST_TEST(near({now.learned(0), now.learned(1)}, {-3.333333, .740741}, 2e-6));
    BOOST_TEST(near({now.x_hat()[0], now.x_hat()[4]}, {1, 2 / 7.}, 1e-7));  // not scaled back
}

BOOST_AUTO_TEST_CASE(golden_with_pruning) {
    Quantizer q = with(format_of(4), 0.5f, 0.4f);
    q.gradient_scale = 1.0f;
    const Use now = use_as_is(q, golden_x);
    BOOST_TEST(now.codes == (std::vector<int32_t>{7, -1, 0, -4, 2, 3, 0, -7}),
               boost::test_tools::per_element());
    BOOST_TEST(near(now.dx(), {1.25, 1.25, 1.25, 1.25, 1.25, 1.25, 0, 0}, 1e-6));
    BOOST_TEST(near({now.learned(0), now.learned(1)}, {-2.5, 0}, 2e-6));
}

BOOST_AUTO_TEST_CASE(gradients_of_both_are_scaled_as_lsq) {
    Quantizer q = with(format_of(4), 0.45f, 0.45f);
    const double g = 1.0 / std::sqrt(8.0 * 7.0);
    const Use now = use_as_is(q, golden_x);
    BOOST_TEST(near({now.learned(0), now.learned(1)}, {g * -3.333333, g * .740741}, 1e-6));
}

// Initially half of the largest magnitude; for weights at most that in every forward pass.
BOOST_AUTO_TEST_CASE(first_and_largest_values) {
    Quantizer q = make_quantizer({"qil", Role::weight, format_of(4)});
    observe(q, row_of(golden_x));
    BOOST_TEST(near(interval_of(q), {.475, .475}, 1e-7));
    set_parameter(q, "center", {0.9f});
    set_parameter(q, "width", {-0.3f});
    use(q, golden_x, false);
    BOOST_TEST(near(interval_of(q), {.475, .3}, 1e-7));
    set_parameter(q, "center", {-0.2f});
    use(q, golden_x, true);
    BOOST_TEST(near(interval_of(q), {.2, .3}, 1e-7));
}

// An evaluation does not depend on its batches.
BOOST_AUTO_TEST_CASE(activations_are_limited_in_training_only) {
    Quantizer q = with(format_of(4), 0.9f, 0.7f, Reading::paper, Role::activation);
    use(q, golden_x, false);
    BOOST_TEST(near(interval_of(q), {.9, .7}, 1e-7));
    use(q, golden_x, true);
    BOOST_TEST(near(interval_of(q), {.475, .475}, 1e-7));
    set_parameter(q, "center", {-0.9f});
    use(q, golden_x, false);
    BOOST_TEST(near(interval_of(q), {.9, .475}, 1e-7));
}

// a = 1, c0 = 0: x itself is rounded, clipped to [0, 1] or not (P12).
BOOST_AUTO_TEST_CASE(unsigned_activations) {
    const std::vector<float> x{-0.4f, 0.0f, 0.3f, 0.8f, 1.0f, 1.4f};
    Quantizer paper = with(format_of(2, false), 0.5f, 0.5f, Reading::paper, Role::activation);
    const Use clipped = use_as_is(paper, x);
    BOOST_TEST(near(clipped.x_hat(), {0, 0, 1 / 3., 2 / 3., 1, 1}, 1e-6));
    BOOST_TEST(near(clipped.dx(), {0, 1, 1, 1, 1, 0}, 0));
    Quantizer code = with(format_of(2, false), 0.5f, 0.5f, Reading::code, Role::activation);
    const Use open = use_as_is(code, x);
    BOOST_TEST(near(open.x_hat(), {-1 / 3., 0, 1 / 3., 2 / 3., 1, 4 / 3.}, 1e-6));
    BOOST_TEST(near(open.dx(), {1, 1, 1, 1, 1, 1}, 0));
    // Signed inputs are clipped in both.
    Quantizer signed_code = with(format_of(4), 0.5f, 0.5f, Reading::code, Role::activation);
    BOOST_TEST(near(use_as_is(signed_code, x).x_hat(), {-3 / 7., 0, 2 / 7., 6 / 7., 1, 1}, 1e-6));
}

BOOST_AUTO_TEST_CASE(refusals) {
    const auto refuses = [](const QuantizerKind& kind, const char* reason) {
        return throws(ErrorKind::usage, {"qil", reason}, [&] { make_quantizer(kind); });
    };
    QuantizerKind pot{"qil", Role::weight, format_of(4)}, exact = pot, calibrated = pot;
    pot.format.power_of_two = true;
    exact.simulate = Simulate::exact;
    calibrated.calibration = Calibration::mse;
    BOOST_TEST(refuses({"qil", Role::weight, format_of(4, true, true, 0)}, "not per channel"));
    BOOST_TEST(refuses({"qil", Role::weight, format_of(4, true, false)}, "no zero point"));
    BOOST_TEST(refuses(pot, "power of two"));
    BOOST_TEST(refuses(exact, "not deployable: its input is transformed in float"));
    BOOST_TEST(refuses(exact, "--simulate qdq"));
    BOOST_TEST(refuses(calibrated, "--calibration mse"));
}

BOOST_AUTO_TEST_SUITE_END()
