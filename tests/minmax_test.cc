// minmax: MQBench 1.3 to 1.7, fixed ranges and ranges that follow.
#include <boost/test/unit_test.hpp>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(minmax, *boost::unit_test::label("unit"))

namespace {

Quantizer observed(const QuantizerKind& kind, const std::vector<float>& x) {
    Quantizer q = make_quantizer(kind);
    observe(q, row_of(x));
    return q;
}

QuantizerKind following(Role role, Reading reading = Reading::paper) {
    QuantizerKind kind{"minmax", role, format_of(4)};
    kind.follows_range = true;
    kind.reading = reading;
    return kind;
}

// The kept range [low, high].
std::vector<float> range_of(const Quantizer& q) {
    return {q.values_of("low")[0], q.values_of("high")[0]};
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_scales_and_zero_points) {  // MQBench 1.7
    struct Case {
        QuantFormat format;
        double scale;
        int32_t zero_point;
    };
    QuantFormat narrow = format_of(4);
    narrow.narrow = true;
    for (const Case& c : {Case{format_of(4), 0.12, 0}, Case{narrow, 0.1285714, 0},
                          Case{format_of(4, false, false), 0.0933333, 5},
                          Case{format_of(4, true, false), 0.0933333, -3}}) {
        for (const bool follows : {false, true}) {
            QuantizerKind kind{"minmax", Role::weight, c.format, !c.format.symmetric};
            kind.follows_range = follows;
            Quantizer q = observed(kind, golden_weights);
            const Use now = use(q, golden_weights);
            BOOST_TEST(near({now.scale()}, {c.scale}, 5e-8), describe(c.format));
            BOOST_TEST(now.zero_point() == c.zero_point, describe(c.format));
            BOOST_TEST(now.grads.parameters.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(golden_powers_of_two) {  // MQBench 1.4
    QuantizerKind kind{"minmax", Role::weight, format_of(4)};
    kind.format.power_of_two = true;
    Quantizer q = make_quantizer(kind);
    const std::vector<std::pair<float, float>> table{
        {0.1f, 0.125f}, {0.3f, 0.25f},   {0.35f, 0.25f}, {0.36f, 0.5f},
        {0.707f, 0.5f}, {0.7072f, 1.0f}, {1.5f, 2.0f}};
    for (const auto& [scale, power] : table) {
        set_parameter(q, "scale", {scale});
        BOOST_TEST(use(q, golden_weights).scale() == power);
        BOOST_TEST(q.values_of("scale")[0] == scale);  // the parameter keeps the float
    }
}

// MQBench 1.6: inputs up to half a step beyond the range pass their gradient; ties go to even.
BOOST_AUTO_TEST_CASE(the_mask_is_on_the_rounded_code) {
    Quantizer q = make_quantizer({"minmax", Role::weight, format_of(4)});
    const Use now = use(q, {-8.51f, -8.5f, -8.49f, -0.5f, 0.5f, 1.5f, 7.49f, 7.5f, 7.51f});
    BOOST_TEST(near(now.x_hat(), {-8, -8, -8, 0, 0, 2, 7, 7, 7}, 0));
    BOOST_TEST(near(now.dx(), {0, 1, 1, 1, 1, 1, 1, 0, 0}, 0));
}

// MQBench 1.3: in a symmetric range +max and -max are ties.
BOOST_AUTO_TEST_CASE(both_ends_of_a_symmetric_range_are_ties) {
    Quantizer q = observed({"minmax", Role::weight, format_of(4)}, {-1.5f, 1.5f, 0.3f});
    const Use now = use(q, {-1.5f, 1.5f});
    BOOST_TEST(near(now.x_hat(), {-1.6, 1.4}, 1e-6));
    BOOST_TEST(near(now.dx(), {1, 0}, 0));
}

BOOST_AUTO_TEST_CASE(a_fixed_scale_is_that_of_everything_seen) {
    Quantizer q = make_quantizer({"minmax", Role::activation, format_of(8, false)});
    observe(q, row_of({0.0f, 1.0f}));
    observe(q, row_of({0.5f, 5.1f}));
    observe(q, row_of({0.5f, 2.0f}));
    for (const bool training : {true, false}) {
        BOOST_TEST(near({use(q, {0.0f, 100.0f}, training).scale()}, {5.1 / 255}, 1e-8));
    }
}

BOOST_AUTO_TEST_CASE(a_scale_of_nothing_is_the_floor) {
    Quantizer q = observed({"minmax", Role::weight, format_of(4)}, {0.0f, 0.0f});
    BOOST_TEST(use(q, {0.0f}).scale() == kScaleFloor);
    set_parameter(q, "scale", {-0.5f});
    BOOST_TEST(use(q, {0.0f}).scale() == 0.5f);
    set_parameter(q, "scale", {0.0f});
    BOOST_TEST(use(q, {0.0f}).scale() == kScaleFloor);
}

// Weights: the range of each forward pass. Activations: 0.9 old + 0.1 new, in training only (P15).
BOOST_AUTO_TEST_CASE(ranges_that_follow) {
    Quantizer w = observed(following(Role::weight), {-1.5f, 1.5f});
    use(w, {-3.0f, 2.0f}, false);
    BOOST_TEST(near(range_of(w), {-3, 2}, 0));

    Quantizer a = observed(following(Role::activation), {-1.5f, 1.5f});
    BOOST_TEST(near(range_of(a), {-1.5, 1.5}, 1e-6));
    use(a, {-3.0f, 2.0f}, false);
    BOOST_TEST(near(range_of(a), {-1.5, 1.5}, 1e-6));
    const Use now = use(a, {-3.0f, 2.0f}, true);
    BOOST_TEST(near(range_of(a), {-1.65, 1.55}, 1e-6));
    BOOST_TEST(near({now.scale()}, {1.65 / 7.5}, 1e-7));  // that of its own forward
}

BOOST_AUTO_TEST_CASE(reading_code_takes_the_range_of_each_batch) {
    Quantizer q = observed(following(Role::activation, Reading::code), {-1.5f, 1.5f});
    for (const bool training : {true, false}) {
        use(q, {-1.5f, 1.5f}, training);
        use(q, {-3.0f, 2.0f}, training);
        BOOST_TEST(near(range_of(q), {-3, 2}, 0));
    }
    QuantizerKind exact = following(Role::activation, Reading::code);
    exact.simulate = Simulate::exact;
    BOOST_TEST(throws(ErrorKind::usage, {"q: ", "--reading code", "--simulate qdq"},
                      [&] { make_quantizer(exact); }));
    exact.role = Role::weight;  // those are the same at every forward
    BOOST_CHECK_NO_THROW(make_quantizer(exact));
}

BOOST_AUTO_TEST_CASE(a_zero_point_is_fixed_with_its_scale) {
    Quantizer q =
        observed({"minmax", Role::activation, format_of(4, false, false), true}, golden_weights);
    set_parameter(q, "zero_point", {4.6f});
    BOOST_TEST(use(q, {0.0f}).zero_point() == 5);
    set_parameter(q, "zero_point", {-3.0f});
    BOOST_TEST(use(q, {0.0f}).zero_point() == 0);
    for (const auto& parameter : q.parameters) BOOST_TEST(!parameter->trainable);
}

BOOST_AUTO_TEST_SUITE_END()
