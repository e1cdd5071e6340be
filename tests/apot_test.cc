// APoT: the levels of MQBench 2.7, ties, weights through their mean and standard deviation.
#include "quant/algorithms/apot.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(apot, *boost::unit_test::label("unit"))

namespace {

Quantizer make(Role role, const QuantFormat& format, int64_t channels = 1) {
    return make_quantizer({"apot", role, format}, channels);
}

std::vector<double> levels_of(int bits) {
    const ApotLevels levels = apot_levels(bits);
    std::vector<double> normalised;
    for (int i = 0; i < levels.count; ++i) {
        normalised.push_back(static_cast<double>(levels.level[i]) / levels.top);
    }
    return normalised;
}

bool same(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
    return near(std::vector<float>(got.begin(), got.end()), want, tolerance);
}

// Every sum of one number from each set, divided by `most`.
std::vector<double> sums_over(const std::vector<std::vector<double>>& sets, double most) {
    std::vector<double> sums{0.0};
    for (const auto& set : sets) {
        std::vector<double> more;
        for (const double sum : sums) {
            for (const double summand : set) more.push_back(sum + summand);
        }
        sums = more;
    }
    std::sort(sums.begin(), sums.end());
    sums.erase(std::unique(sums.begin(), sums.end()), sums.end());
    for (double& sum : sums) sum /= most;
    return sums;
}

}  // namespace

BOOST_AUTO_TEST_CASE(levels_are_those_of_the_table) {
    BOOST_TEST(same(levels_of(2), {0, .25, .5, 1}, 1e-7));
    BOOST_TEST(same(levels_of(3), {0, .1, .2, .3, .4, .6, .8, 1}, 1e-7));
    BOOST_TEST(same(levels_of(4),
                    {0, .020833, .041667, .0625, .083333, .125, .166667, .1875, .25, .333333, .375,
                     .5, .666667, .6875, .75, 1},
                    6e-7));
    const std::vector<double> five = sums_over(
        {{0, 1 / 2., 1 / 8., 1 / 64.}, {0, 1 / 4., 1 / 16., 1 / 128.}, {0, 1 / 32.}}, 0.78125);
    const std::vector<double> six = sums_over(
        {{0, 0x1p-1, 0x1p-4, 0x1p-7}, {0, 0x1p-2, 0x1p-5, 0x1p-8}, {0, 0x1p-3, 0x1p-6, 0x1p-9}},
        0.875);
    BOOST_TEST(five.size() == 32u);
    BOOST_TEST(six.size() == 64u);
    BOOST_TEST(same(levels_of(5), five, 1e-7));
    BOOST_TEST(same(levels_of(6), six, 1e-7));
    for (const int bits : {1, 7}) BOOST_CHECK_THROW(apot_levels(bits), Error);
}

BOOST_AUTO_TEST_CASE(the_first_of_two_nearest_levels_is_taken) {
    const ApotLevels levels = apot_levels(3);  // 0 1 2 3 4 6 8 10
    const std::vector<std::pair<double, int>> cases{
        {0, 0},     {0.5, 0},     {0.501, 1}, {1, 1}, {1.5, 1}, {1.51, 2},
        {3.5, 3},   {5, 4},       {5.001, 6}, {7, 6}, {9, 8},   {9.001, 10},
        {10.0, 10}, {9.9999, 10}, {4.999, 4}, {6, 6}};
    for (const auto& [position, level] : cases) {
        BOOST_TEST(nearest_level<double>(levels, position) == level, position);
        BOOST_TEST(nearest_level<float>(levels, float(position)) == level, position);
        BOOST_TEST(apot_code<double>(levels, -position / 10, true) == -level, position);
    }
}

BOOST_AUTO_TEST_CASE(golden_weights_on_levels) {
    Quantizer q = make(Role::weight, format_of(4));
    const Use now = use(q, golden_weights);
    BOOST_TEST(near(now.x_hat(), {1.8, -.9, 0, -1.2, .3, .6}, 1e-6));
    BOOST_TEST(near({now.learned(0)}, {0.2}, 1e-6));
}

// dalpha of one element is p - d: with p from the golden values it reveals the normalised weight.
BOOST_AUTO_TEST_CASE(golden_normalised_weights) {
    const std::vector<double> normalised{1.501055, -.750528, -.136460, -1.364596, .272919, .477608};
    Quantizer q = make(Role::weight, format_of(4));
    for (size_t i = 0; i < golden_weights.size(); ++i) {
        std::vector<float> dy(golden_weights.size());
        dy[i] = 1.0f;
        const Use now = use(q, row_of(golden_weights), row_of(dy));
        BOOST_TEST(near({now.x_hat()[i] - 3.0f * now.learned(0)}, {normalised[i]}, 1.5e-6));
    }
}

// The gradient of weights is orthogonal to shifting and to scaling the tensor.
BOOST_AUTO_TEST_CASE(gradients_go_through_mean_and_deviation) {
    Quantizer q = make(Role::weight, format_of(4));
    const std::vector<float> dy{0.3f, 1.0f, -0.4f, 0.7f, 0.9f, -0.2f};
    const std::vector<float> dx = use(q, row_of(golden_weights), row_of(dy)).dx();
    double sum = 0.0, along = 0.0, size = 0.0;
    for (size_t i = 0; i < dx.size(); ++i) {
        sum += dx[i];
        along += dx[i] * golden_weights[i];
        size += std::fabs(dx[i]);
    }
    BOOST_TEST(size > 1.0);
    BOOST_TEST(std::fabs(sum) < 1e-6);
    BOOST_TEST(std::fabs(along) < 1e-4);  // except for the 1e-5 added to the standard deviation
}

BOOST_AUTO_TEST_CASE(equal_weights_have_no_gradient_that_is_not_finite) {
    Quantizer q = make(Role::weight, format_of(4));
    const Use now = use(q, {0.5f, 0.5f, 0.5f});
    for (const float d : now.dx()) BOOST_TEST(std::isfinite(d));
    for (const float v : now.x_hat()) BOOST_TEST(v == 0.0f);
}

// Signed inputs end at -1 and 1 times alpha, unsigned ones at 0 and 1.
BOOST_AUTO_TEST_CASE(activations_are_clipped) {
    const std::vector<float> x{-20, -6, -3.1f, 0.5f, 3.1f, 6, 20};
    Quantizer both = make(Role::activation, format_of(3));  // levels 0 .25 .5 1 of 6
    const Use now = use(both, x);
    BOOST_TEST(near(now.x_hat(), {-6, -6, -3, 0, 3, 6, 6}, 1e-6));
    BOOST_TEST(near(now.dx(), {0, 1, 1, 1, 1, 1, 0}, 0));
    BOOST_TEST(near({now.learned(0)}, {-1 + (0 + .1 - .5 - .1 + 0) / 6. + 1}, 1e-6));
    Quantizer positive = make(Role::activation, format_of(2, false));
    const Use half = use(positive, x);
    BOOST_TEST(near(half.x_hat(), {0, 0, 0, 0, 3, 6, 6}, 1e-6));
    BOOST_TEST(near(half.dx(), {0, 0, 0, 1, 1, 1, 0}, 0));
    BOOST_TEST(near({half.learned(0)}, {(-.5 - .1 + 0) / 6. + 1}, 1e-6));
}

BOOST_AUTO_TEST_CASE(first_values_and_projection) {
    for (const auto& [role, first] : {std::pair{Role::weight, 3.0f}, {Role::activation, 6.0f}}) {
        Quantizer q = make(role, format_of(4, true, true, 0), 2);
        observe(q, random_tensor({2, 5}, 1));
        BOOST_TEST(near(q.parameter("alpha").value.to_vector<float>(), {first, first}, 0));
        set_parameter(q, "alpha", {-2.0f, 0.0f});
        q.algorithm->project(q);
        BOOST_TEST(near(q.parameter("alpha").value.to_vector<float>(), {2, 1e-5}, 1e-12));
    }
}

BOOST_AUTO_TEST_CASE(no_gradient_scale_unless_given) {
    Quantizer q = make(Role::activation, format_of(4, false));
    BOOST_TEST(use(q, std::vector<float>(100, 7.0f)).learned(0) == 100.0f);
    q.gradient_scale = 0.5f;
    BOOST_TEST(use(q, std::vector<float>(100, 7.0f)).learned(0) == 50.0f);
}

BOOST_AUTO_TEST_CASE(refusals) {
    const auto refuses = [](const QuantizerKind& kind, const std::vector<std::string>& reasons) {
        return throws(ErrorKind::usage, reasons, [&] { make_quantizer(kind); });
    };
    QuantizerKind pot{"apot", Role::weight, format_of(4)}, exact = pot, calibrated = pot;
    pot.format.power_of_two = true;
    exact.simulate = Simulate::exact;
    calibrated.calibration = Calibration::mse;
    BOOST_TEST(refuses({"apot", Role::weight, format_of(4, true, false)}, {"no zero point"}));
    BOOST_TEST(refuses(pot, {"power of two"}));
    BOOST_TEST(refuses(exact, {"not deployable: its levels are not equally spaced", "qdq"}));
    BOOST_TEST(refuses(calibrated, {"--calibration mse"}));
    for (const QuantFormat& format :
         {format_of(2), format_of(8), format_of(7, false), format_of(8, false)}) {
        BOOST_TEST(refuses({"apot", Role::activation, format},
                           {"3 to 7 signed and 2 to 6 unsigned bits", join(format.bits)}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
