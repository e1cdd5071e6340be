// DSQ: the soft staircase of MQBench 2.5, its mask, and the ranges that follow.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(dsq, *boost::unit_test::label("unit"))

namespace {

// s = 1, z = 0, [-8, 7].
Quantizer unit_steps(DsqForm form) {
    QuantizerKind kind{"dsq", Role::activation, format_of(4)};
    kind.dsq_form = form;
    Quantizer q = make_quantizer(kind);
    set_parameter(q, "low", {-7.5f});
    set_parameter(q, "high", {7.5f});
    return q;
}

std::vector<float> range_of(const Quantizer& q) {
    return {q.values_of("low")[0], q.values_of("high")[0]};
}

// Integrates the slope of the soft staircase from the beginning of a step.
double rise(const Quantizer& q, double begin, double part) {
    constexpr int pieces = 4000;
    std::vector<float> x;
    for (int i = 0; i < pieces; ++i) x.push_back(float(begin + part * (i + 0.5) / pieces));
    double sum = 0.0;
    for (const float slope : use_as_is(q, x).dx()) sum += slope;
    return sum * part / pieces;
}

struct Row {
    float part;
    double rise, slope;
};
const std::vector<Row> table{{0.0f, 0, .739357},         {0.1f, .080085, .861913},
                             {0.25f, .222222, 1.026885}, {0.5f, .5, 1.155245},
                             {0.75f, .777778, 1.026885}, {0.9f, .919915, .861913}};

}  // namespace

BOOST_AUTO_TEST_CASE(golden_staircase) {
    const Quantizer q = unit_steps(DsqForm::soft);
    for (const float step : {-8.0f, -3.0f, 0.0f, 6.0f}) {
        for (const Row& row : table) {
            BOOST_TEST(near(use_as_is(q, {step + row.part}).dx(), {row.slope}, 1.5e-6));
            BOOST_TEST(std::fabs(rise(q, step, row.part) - row.rise) < 2e-6);
        }
    }
}

// phi is on the same side of a half as v: the codes equal those of the plain quantizer.
BOOST_AUTO_TEST_CASE(codes_are_hard) {
    const Use now =
        use_as_is(unit_steps(DsqForm::soft), {-9, -8.2f, -0.5f, 0.3f, 0.5f, 0.51f, 1.5f, 7.4f, 9});
    BOOST_TEST(now.codes == (std::vector<int32_t>{-8, -8, 0, 0, 0, 1, 2, 7, 7}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_soft_mask_is_not_rounded) {
    const std::vector<float> x{-8.3f, -8.01f, -8.0f, 7.0f, 7.01f, 7.3f, 7.6f};
    const std::vector<float> soft = use_as_is(unit_steps(DsqForm::soft), x).dx();
    BOOST_TEST(near(soft, {0, 0, .739357, .739357, 0, 0, 0}, 1e-6));
    const std::vector<float> plain = use_as_is(unit_steps(DsqForm::ste), x).dx();
    BOOST_TEST(near(plain, {1, 1, 1, 1, 1, 1, 0}, 0));
}

// Mean 1/6, standard deviation 0.488535 (n - 1): mean -+ 2.6 of them, at every forward pass.
BOOST_AUTO_TEST_CASE(weights_are_clipped_at_deviations) {
    Quantizer q = make_quantizer({"dsq", Role::weight, format_of(4)});
    observe(q, row_of(golden_weights));
    BOOST_TEST(near(range_of(q), {-1.1035249, 1.4368583}, 1e-6));
    BOOST_TEST(near({use_as_is(q, golden_weights).scale()}, {.1915811}, 1e-6));
    for (const bool training : {true, false}) {
        use(q, {1.0f, 1.0f, 4.0f}, training);  // standard deviation sqrt(3)
        BOOST_TEST(near(range_of(q), {2 - 2.6 * std::sqrt(3.0), 2 + 2.6 * std::sqrt(3.0)}, 1e-6));
        use(q, golden_weights, training);
        BOOST_TEST(near(range_of(q), {-1.1035249, 1.4368583}, 1e-6));
    }
    BOOST_TEST(use(q, golden_weights).grads.parameters.empty());
}

// The mean over samples of minimum and maximum, then 0.9 old + 0.1 new while training.
BOOST_AUTO_TEST_CASE(activations_follow_their_samples) {
    Quantizer q = make_quantizer({"dsq", Role::activation, format_of(4)});
    const Tensor x = Tensor::from(std::vector<float>{-1, 2, 0, -3, 1, 4}, {2, 3});
    observe(q, x);
    BOOST_TEST(near(range_of(q), {-2, 3}, 1e-6));
    const Tensor other = Tensor::from(std::vector<float>{-9, 0, 6, -1, 1, 2}, {2, 3});
    const Tensor dy = Tensor::full({2, 3}, 1.0f);
    use(q, other, dy, false);
    BOOST_TEST(near(range_of(q), {-2, 3}, 1e-6));
    const Use now = use(q, other, dy, true);
    BOOST_TEST(near(range_of(q), {.9 * -2 + .1 * -5, .9 * 3 + .1 * 4}, 1e-6));
    BOOST_TEST(near({now.scale()}, {3.1 / 7.5}, 1e-6));
}

BOOST_AUTO_TEST_CASE(ranges_begin_at_zero_where_nothing_negative_comes) {
    for (const QuantFormat& format : {format_of(4, false), format_of(4, false, false)}) {
        Quantizer q = make_quantizer({"dsq", Role::activation, format});
        observe(q, Tensor::from(std::vector<float>{0.5f, 3, 1, 6}, {2, 2}));
        const Use now = use_as_is(q, {0.0f, 4.5f});
        BOOST_TEST(near({now.scale()}, {4.5 / 15}, 1e-6));
        BOOST_TEST(now.zero_point() == 0);
        // A later value below zero does not widen it.
        observe(q, Tensor::from(std::vector<float>{-900, 4.5f}, {1, 2}));
        BOOST_TEST(near({use_as_is(q, {0.0f}).scale()}, {4.5 / 15}, 1e-6));
    }
}

BOOST_AUTO_TEST_CASE(calibration_is_refused) {
    QuantizerKind kind{"dsq", Role::weight, format_of(4)};
    kind.calibration = Calibration::min_max;
    BOOST_TEST(throws(ErrorKind::usage, {"dsq", "--calibration minmax", "part of the algorithm"},
                      [&] { make_quantizer(kind); }));
}

BOOST_AUTO_TEST_SUITE_END()
