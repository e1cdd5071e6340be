// PACT: MQBench 2.3, its pitfalls, and refusals.
#include <boost/test/unit_test.hpp>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(pact, *boost::unit_test::label("unit"))

namespace {

Quantizer with(const QuantFormat& format, const std::vector<float>& clip) {
    Quantizer q = make_quantizer({"pact", Role::activation, format, clip.size() > 1});
    set_parameter(q, "alpha", {clip[0]});
    if (clip.size() > 1) set_parameter(q, "negative_alpha", {clip[1]});
    return q;
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_unsigned) {
    Quantizer q = with(format_of(4, false), {6.0f});
    const Use now = use(q, {0, .3f, .19f, 2.5f, 5.9f, 6, 6.1f, 10});
    BOOST_TEST(near({now.scale()}, {0.4}, 1e-7));
    BOOST_TEST(near(now.x_hat(), {0, .4, 0, 2.4, 6, 6, 6, 6}, 1e-6));
    BOOST_TEST(near(now.dx(), {1, 1, 1, 1, 1, 1, 0, 0}, 0));
    BOOST_TEST(now.learned(0) == 2.0f);
    BOOST_TEST(now.grads.parameters.size() == 1u);
}

// 6 / 0.8 is a tie that rounds out of the range: x = 6 is masked, and 8 gives alpha nothing (P1).
BOOST_AUTO_TEST_CASE(golden_signed_with_its_trap) {
    Quantizer q = with(format_of(4), {6.0f});
    const Use now = use(q, {-9, -6, -5, -.3f, .3f, 5, 5.9f, 6, 8});
    BOOST_TEST(near({now.scale()}, {0.8}, 1e-7));
    BOOST_TEST(near(now.x_hat(), {-6.4, -6.4, -4.8, 0, 0, 4.8, 5.6, 5.6, 5.6}, 1e-6));
    BOOST_TEST(near(now.dx(), {0, 1, 1, 1, 1, 1, 1, 0, 0}, 0));
    BOOST_TEST(now.learned(0) == -1.0f);
}

// docs/algorithms.md: most signed symmetric grids lose the gradient from above, others never do.
BOOST_AUTO_TEST_CASE(alpha_is_moved_from_above_on_few_signed_grids) {
    const auto moved = [](const QuantFormat& format) {
        int count = 0;
        for (int k = 1; k <= 72; ++k) {
            const float alpha = 0.125f * static_cast<float>(k);
            Quantizer q = with(format, {alpha});
            count += use(q, {2.0f * alpha}).learned(0) != 0.0f;
        }
        return count;
    };
    QuantFormat narrow = format_of(4);
    narrow.narrow = true;
    BOOST_TEST(moved(format_of(4)) == 13);
    BOOST_TEST(moved(narrow) == 72);
    BOOST_TEST(moved(format_of(4, false)) == 72);
}

BOOST_AUTO_TEST_CASE(the_narrow_range_has_no_trap) {
    QuantFormat format = format_of(4);
    format.narrow = true;
    Quantizer q = with(format, {7.0f});
    const Use now = use(q, {-9, -8, -7, 2, 7, 8});
    BOOST_TEST(now.scale() == 1.0f);
    BOOST_TEST(near(now.x_hat(), {-7, -7, -7, 2, 7, 7}, 0));
    BOOST_TEST(near(now.dx(), {0, 0, 1, 1, 1, 0}, 0));
    BOOST_TEST(now.learned(0) == -1.0f);  // one above, two below
}

// (-3, 6) in 15 steps of 0.6, zero at the fifth.
BOOST_AUTO_TEST_CASE(two_clips_where_the_zero_point_is_free) {
    Quantizer q = with(format_of(4, false, false), {6.0f, -3.0f});
    const Use now = use(q, {-9, -4, -3, -1, .5f, 4, 6, 7});
    BOOST_TEST(near({now.scale()}, {0.6}, 1e-7));
    BOOST_TEST(now.zero_point() == 5);
    BOOST_TEST(near(now.x_hat(), {-3, -3, -3, -1.2, .6, 4.2, 6, 6}, 1e-6));
    BOOST_TEST(near(now.dx(), {0, 0, 1, 1, 1, 1, 1, 0}, 0));
    BOOST_TEST(now.learned(0) == 1.0f);
    BOOST_TEST(now.learned(1) == 2.0f);
}

// After ReLU: the zero point is qmin, for both signs of codes (MQBench 1.2).
BOOST_AUTO_TEST_CASE(one_clip_where_nothing_negative_comes) {
    for (const bool is_signed : {false, true}) {
        Quantizer q = with(format_of(4, is_signed, false), {6.0f});
        const Use now = use(q, {0, 2.5f, 6, 10});
        BOOST_TEST(now.zero_point() == (is_signed ? -8 : 0));
        BOOST_TEST(near(now.x_hat(), {0, 2.4, 6, 6}, 1e-6));
        BOOST_TEST(now.learned(0) == 1.0f);
    }
}

// The lower clip is a tie that rounds up the zero point; alpha's code is one below qmax, and no
// larger input exceeds it: PACT clips before it rounds.
BOOST_AUTO_TEST_CASE(no_code_lies_beyond_that_of_alpha) {
    Quantizer q = with(format_of(4, false, false), {12.5f, -2.5f});
    const Use now = use(q, {-100, 12.4f, 12.5f, 13, 100});
    BOOST_TEST(now.scale() == 1.0f);
    BOOST_TEST(now.zero_point() == 2);
    BOOST_TEST(near(now.x_hat(), {-2, 12, 12, 12, 12}, 0));
    BOOST_TEST(now.grid.bounds->hi == 14);
    BOOST_TEST(now.learned(0) == 2.0f);
}

BOOST_AUTO_TEST_CASE(first_values_are_constants_unless_calibration_is_asked_for) {
    QuantizerKind kind{"pact", Role::activation, format_of(4, false, false), true};
    Quantizer own = make_quantizer(kind);
    observe(own, row_of({-1.0f, 2.0f}));
    BOOST_TEST(own.values_of("alpha")[0] == 6.0f);
    BOOST_TEST(own.values_of("negative_alpha")[0] == -6.0f);
    kind.calibration = Calibration::min_max;
    Quantizer seen = make_quantizer(kind);
    observe(seen, row_of({-1.0f, 2.0f}));
    BOOST_TEST(near({seen.values_of("alpha")[0]}, {2}, 1e-6));
    BOOST_TEST(near({seen.values_of("negative_alpha")[0]}, {-1}, 1e-6));
}

BOOST_AUTO_TEST_CASE(clips_are_projected_to_their_side) {
    Quantizer q = with(format_of(4, false, false), {-2.0f, 3.0f});
    use(q, {0.0f});
    BOOST_TEST(q.values_of("alpha")[0] == 2.0f);
    BOOST_TEST(q.values_of("negative_alpha")[0] == -3.0f);
    set_parameter(q, "alpha", {0.0f});
    use(q, {0.0f});
    BOOST_TEST(q.values_of("alpha")[0] == kScaleFloor);
}

BOOST_AUTO_TEST_CASE(no_gradient_scale_unless_given) {
    Quantizer q = with(format_of(4, false), {6.0f});
    BOOST_TEST(use(q, std::vector<float>(100, 7.0f)).learned(0) == 100.0f);
    q.gradient_scale = 0.5f;
    BOOST_TEST(use(q, std::vector<float>(100, 7.0f)).learned(0) == 50.0f);
}

BOOST_AUTO_TEST_CASE(weights_are_dorefas) {
    BOOST_TEST(find_algorithm("pact", Role::weight).name == std::string("dorefa"));
    BOOST_TEST(find_algorithm("pact", Role::activation).name == std::string("pact"));
    BOOST_TEST(throws(ErrorKind::usage, {"pact", "it clips activations", "dorefa"}, [] {
        make_quantizer({"pact", Role::weight, format_of(4)});
    }));
    BOOST_TEST(throws(ErrorKind::usage, {"pact", "not per channel"}, [] {
        make_quantizer({"pact", Role::activation, format_of(4, true, true, 0)}, 3);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
