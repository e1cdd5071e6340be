// DoReFa: MQBench 2.4, ties of the largest weight, the intervals of activations.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/files.h"
#include "tests/quantizers.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(dorefa, *boost::unit_test::label("unit"))

namespace {

Quantizer weights(const QuantFormat& format, int64_t channels = 1) {
    return make_quantizer({"dorefa", Role::weight, format, !format.symmetric}, channels);
}

// MQBench 2.4 with all of G, and the largest magnitude shared among `ties`.
std::vector<double> through_tanh(const std::vector<double>& w, const std::vector<double>& dy,
                                 const std::vector<size_t>& ties) {
    const double m = std::fabs(std::tanh(w[ties[0]])) + 1e-5;
    double sum = 0.0;
    for (size_t i = 0; i < w.size(); ++i) sum += dy[i] * std::tanh(w[i]);
    std::vector<double> dw;
    for (const double g : dy) dw.push_back(g / m);
    for (const size_t k : ties) {
        dw[k] -= std::copysign(sum / (m * m) / static_cast<double>(ties.size()), w[k]);
    }
    for (size_t i = 0; i < w.size(); ++i) dw[i] *= 1.0 - std::pow(std::tanh(w[i]), 2);
    return dw;
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_weights_and_codes) {
    Quantizer q = weights(format_of(4));
    const Use now = use(q, golden_weights);
    BOOST_TEST(near({now.scale()}, {0.1333315}, 5e-8));
    BOOST_TEST(now.codes == (std::vector<int32_t>{7, -2, 1, -5, 3, 4}),
               boost::test_tools::per_element());
    // From -0.645138 to 0.999986: both ends of the weights after tanh.
    BOOST_TEST(near({q.values_of("low")[0], q.values_of("high")[0]}, {-.645138, .999986}, 5e-7));
    BOOST_TEST(now.grads.parameters.empty());
}

// With 2^8 codes the grid resolves the weights themselves: w_bar within half a step.
BOOST_AUTO_TEST_CASE(golden_weights_behind_tanh) {
    Quantizer q = weights(format_of(8, false, false));
    const Use now = use(q, golden_weights);
    const double half = now.scale() * 0.51;
    BOOST_TEST(near(now.x_hat(), {.999986, -.275545, .139141, -.645138, .406686, .530427}, half));
    BOOST_TEST(near({now.scale()}, {(.999986 + .645138) / 255}, 1e-8));
}

BOOST_AUTO_TEST_CASE(values_are_not_scaled_back) {
    Quantizer q = weights(format_of(4));
    std::vector<float> large;
    for (const float w : golden_weights) large.push_back(0.01f * w);
    const std::vector<float> x_hat = use(q, large).x_hat();
    BOOST_TEST(x_hat[0] > 0.9f);
    BOOST_TEST(x_hat[3] < -0.5f);
}

BOOST_AUTO_TEST_CASE(ties_of_the_largest_weight_share_its_gradient) {
    QuantFormat narrow = format_of(4);  // contains both ends: none is masked
    narrow.narrow = true;
    Quantizer q = weights(narrow);
    const std::vector<float> w{0.5f, -0.2f, -0.5f, 0.3f, 0.5f}, dy{0.3f, 1.0f, -0.4f, 0.7f, 0.9f};
    const Use now = use(q, row_of(w), row_of(dy));
    const std::vector<double> want =
        through_tanh({w.begin(), w.end()}, {dy.begin(), dy.end()}, {0, 2, 4});
    BOOST_TEST(near(now.dx(), want, 1e-6));
}

BOOST_AUTO_TEST_CASE(one_largest_weight_takes_it_all) {
    Quantizer q = weights(format_of(4, false, false));
    const std::vector<float> w{0.5f, -0.2f, -0.4f, 0.3f, 0.1f}, dy{0.3f, 1.0f, -0.4f, 0.7f, 0.9f};
    const Use now = use(q, row_of(w), row_of(dy));
    BOOST_TEST(
        near(now.dx(), through_tanh({w.begin(), w.end()}, {dy.begin(), dy.end()}, {0}), 1e-6));
}

// The largest magnitude is taken over the whole tensor, the range over the channel.
BOOST_AUTO_TEST_CASE(channels_share_one_maximum) {
    Quantizer q = weights(format_of(4, true, true, 0), 2);
    const Tensor w = Tensor::from(std::vector<float>{0.9f, -0.2f, 0.1f, 0.05f}, {2, 2});
    use(q, w, Tensor::full({2, 2}, 1.0f));
    const double m = std::tanh(0.9) + 1e-5;
    const float *low = q.values_of("low"), *high = q.values_of("high");
    BOOST_TEST(near({low[0], high[0]}, {std::tanh(-0.2) / m, std::tanh(0.9) / m}, 1e-6));
    BOOST_TEST(near({low[1], high[1]}, {std::tanh(0.05) / m, std::tanh(0.1) / m}, 1e-6));
}

BOOST_AUTO_TEST_CASE(ranges_are_those_of_the_weights_of_each_forward) {
    Quantizer q = weights(format_of(4));
    observe(q, row_of(golden_weights));
    const float first = use(q, golden_weights, false).scale();
    const std::vector<float> other{0.4f, -0.9f, 0.1f};
    const Use now = use(q, other, false);
    BOOST_TEST(near({now.scale()}, {first}, 1e-6));  // the largest is 0.9 again
    BOOST_TEST(near({q.values_of("low")[0]}, {-.999986}, 1e-6));
}

BOOST_AUTO_TEST_CASE(activations_have_a_fixed_interval) {
    struct Case {
        QuantFormat format;
        bool free;
        double scale;
        int32_t zero_point;
    };
    // [-1, 1] in 15 steps: -1 is the tie -7.5, and in float just above it.
    for (const Case& c :
         {Case{format_of(4, false), false, 1 / 15., 0}, Case{format_of(4), false, 1 / 7.5, 0},
          Case{format_of(4, false, false), false, 1 / 15., 0},
          Case{format_of(4, true, false), false, 1 / 15., -8},
          Case{format_of(4, false, false), true, 2 / 15., 7}}) {
        Quantizer q = make_quantizer({"dorefa", Role::activation, c.format, c.free});
        observe(q, row_of({-3.0f, 5.0f}));
        const Use now = use(q, {-3.0f, 0.32f, 5.0f});
        BOOST_TEST(near({now.scale()}, {c.scale}, 1e-7), describe(c.format));
        BOOST_TEST(now.zero_point() == c.zero_point, describe(c.format));
        BOOST_TEST(near(now.dx(), {0, 1, 0}, 0), describe(c.format));
        BOOST_TEST(q.parameters.empty());
    }
}

BOOST_AUTO_TEST_CASE(refusals) {
    BOOST_TEST(throws(ErrorKind::usage, {"dorefa", "activations", "not per channel"}, [] {
        make_quantizer({"dorefa", Role::activation, format_of(4, true, true, 0)}, 3);
    }));
    QuantizerKind kind{"dorefa", Role::weight, format_of(4)};
    kind.calibration = Calibration::mse;
    BOOST_TEST(
        throws(ErrorKind::usage, {"dorefa", "--calibration mse"}, [&] { make_quantizer(kind); }));
}

BOOST_AUTO_TEST_SUITE_END()
