#include "quant/ptq/soft_round.h"

#include <boost/test/unit_test.hpp>

#include "tests/compare.h"

using namespace gradus;

namespace {

Quantizer weight_quantizer(int bits, int axis) {
    Quantizer q;
    q.name = "w";
    q.format.bits = bits;
    q.format.channel_axis = axis;
    return q;
}

Grid grid(const std::vector<float>& scales) {
    const auto channels = static_cast<int64_t>(scales.size());
    return {Tensor::from(scales, {channels}), Tensor::zeros({channels}, DType::I32), {}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(soft_rounding, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(first_values_are_those_of_the_benchmark) {  // MQBench 2.8
    BOOST_TEST(std::fabs(first_rounding(0.0) - -2.397895) < 1e-6);
    BOOST_TEST(std::fabs(first_rounding(0.3) - -0.693147) < 1e-6);
    BOOST_TEST(std::fabs(first_rounding(0.5)) < 1e-12);
    BOOST_TEST(std::fabs(first_rounding(0.9) - 1.609438) < 1e-6);
    for (double frac : {0.0, 0.1, 0.5, 0.77, 0.999}) {
        BOOST_TEST(std::fabs(rectified_sigmoid(first_rounding(frac)).value - frac) < 1e-12);
    }
}

BOOST_AUTO_TEST_CASE(the_sigmoid_is_clipped_on_both_sides) {
    const double edge = std::log(11.0);  // sigmoid = 11/12: 1.2 * 11/12 - 0.1 = 1
    BOOST_TEST(rectified_sigmoid(edge + 1e-6).value == 1.0);
    BOOST_TEST(rectified_sigmoid(edge - 1e-6).value < 1.0);
    BOOST_TEST(rectified_sigmoid(-edge - 1e-6).value == 0.0);
    BOOST_TEST(rectified_sigmoid(-edge + 1e-6).value > 0.0);
    BOOST_TEST(rectified_sigmoid(40.0).slope == 0.0);
    BOOST_TEST(rectified_sigmoid(-40.0).slope == 0.0);
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    // Clipped below and above, inside, saturated; s = 0.3, z = 1, codes -4 to 3.
    const std::vector<double> w = {-3.1, 2.9, 0.4, -0.4, 0.07, -1.01, 0.2, 0.81, 0.5};
    const Arrays v = {{0.3, -0.2, 1.1, -1.7, 0.01, 0.6, 3.5, -3.5, 0.9}};
    const auto check_one = [&](const auto& piece) {
        const GradcheckResult result = gradcheck(
            [&](const Arrays& in) {
                std::vector<double> y;
                for (size_t i = 0; i < w.size(); ++i) y.push_back(piece(i, in[0][i]).value);
                return y;
            },
            [&](const Arrays& in, const std::vector<double>& dy) {
                Arrays d(1);
                for (size_t i = 0; i < w.size(); ++i) {
                    d[0].push_back(dy[i] * piece(i, in[0][i]).slope);
                }
                return d;
            },
            v);
        BOOST_TEST(result.worst < 1e-6, result.where);
    };
    check_one([&](size_t i, double x) { return soft_round_value(w[i], 0.3, x, 1.0, -4.0, 3.0); });
    for (double beta : {20.0, 7.5, 2.0}) {
        check_one([&](size_t, double x) { return rounding_penalty_value(x, beta); });
    }
    BOOST_TEST(soft_round_value(w[0], 0.3, 0.3, 1.0, -4.0, 3.0).slope == 0.0);
    BOOST_TEST(soft_round_value(w[1], 0.3, -0.2, 1.0, -4.0, 3.0).slope == 0.0);
}

BOOST_AUTO_TEST_CASE(the_penalty_is_least_at_whole_codes) {
    BOOST_TEST(rounding_penalty_value(0.0, 2.0).value == 1.0);
    BOOST_TEST(rounding_penalty_value(3.0, 2.0).value == 0.0);
    BOOST_TEST(std::fabs(rounding_penalty_value(first_rounding(0.75), 2.0).value - 0.75) < 1e-12);
}

// ---- the operators ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(soft_weights_begin_where_the_weights_are) {
    for (int axis : {-1, 0}) {
        const Quantizer q = weight_quantizer(8, axis);
        const Grid on = axis < 0 ? grid({0.02f}) : grid({0.02f, 0.05f, 0.011f});
        const Tensor w = random_tensor({3, 3, 3, 5}, 4);
        const Variable v(first_roundings(q, on, w));
        BOOST_TEST(close(soft_round(q, on, Variable(w), v).data(), w, 1e-6));
        // At v >= 0 the upper code becomes the nearest.
        const Affine learned = learned_codes(q, on, w, v.data());
        const Affine nearest = quantize_to_grid(w, on, q.format);
        const CodeReader codes(nearest.codes);
        for (int64_t i = 0; i < w.numel(); ++i) {
            BOOST_TEST(learned.codes.data<int32_t>()[i] == codes[i]);
        }
    }
}

BOOST_AUTO_TEST_CASE(soft_round_equals_its_formula_forward_and_backward) {
    const Quantizer q = weight_quantizer(3, 0);
    const std::vector<float> scales = {0.2f, 0.35f};
    const Grid on = grid(scales);
    const Variable w(random_tensor({2, 1, 1, 40}, 4, -1.5f, 1.5f), true);
    const Variable v(random_tensor({2, 1, 1, 40}, 5, -3, 3), true);
    const Variable y = soft_round(q, on, w, v);
    const Tensor dy = random_tensor({2, 1, 1, 40}, 6);
    backward_from(y, dy);
    BOOST_TEST(!w.grad().defined());
    for (int i = 0; i < 80; ++i) {
        const auto want = soft_round_value<double>(w.data().data<float>()[i], scales[i / 40],
                                                   v.data().data<float>()[i], 0, -4, 3);
        BOOST_TEST(std::fabs(y.data().data<float>()[i] - want.value) < 1e-5);
        const double dv = dy.data<float>()[i] * want.slope;
        BOOST_TEST(std::fabs(v.grad().data<float>()[i] - dv) < 1e-5);
    }
}

BOOST_AUTO_TEST_CASE(the_penalty_of_an_array_is_the_sum_of_its_formula) {
    const Variable v(random_tensor({40000}, 5, -3, 3), true);
    const Variable penalty = rounding_penalty(v, 0.01f, 3.0f);
    backward(penalty);
    double sum = 0;
    for (int64_t i = 0; i < 40000; ++i) {
        const auto want = rounding_penalty_value<double>(v.data().data<float>()[i], 3.0);
        sum += want.value;
        BOOST_REQUIRE(std::fabs(v.grad().data<float>()[i] - 0.01 * want.slope) < 1e-6);
    }
    BOOST_TEST(std::fabs(penalty.data().data<float>()[0] - 0.01 * sum) < 1e-4 * sum);
}

BOOST_AUTO_TEST_CASE(each_activation_is_rounded_or_not) {
    const Variable x(random_tensor({4, 5000}, 1), true), x_hat(random_tensor({4, 5000}, 2), true);
    const Variable y = drop_rounding(x, x_hat, 0.25f, Rng(3));
    const Tensor dy = random_tensor({4, 5000}, 4);
    backward_from(y, dy);
    int64_t rounded = 0;
    for (int64_t i = 0; i < y.data().numel(); ++i) {
        const bool kept = y.data().data<float>()[i] == x_hat.data().data<float>()[i];
        rounded += kept;
        const float d = dy.data<float>()[i];
        BOOST_REQUIRE((kept || y.data().data<float>()[i] == x.data().data<float>()[i]));
        BOOST_REQUIRE(x_hat.grad().data<float>()[i] == (kept ? d : 0.0f));
        BOOST_REQUIRE(x.grad().data<float>()[i] == (kept ? 0.0f : d));
    }
    BOOST_TEST(std::abs(rounded - 5000) < 300);
    BOOST_TEST(same_bits(drop_rounding(x, x_hat, 1.0f, Rng(3)).data(), x_hat.data()));
}

BOOST_AUTO_TEST_CASE(the_loss_sums_channels_and_averages_the_rest) {
    const Variable y(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {1, 3, 1, 2}), true);
    const Tensor target = Tensor::from<float>({1, 0, 3, 3, 5, 7}, {1, 3, 1, 2});
    const Variable loss = reconstruction_loss(y, target);
    backward(loss);
    BOOST_TEST(loss.data().data<float>()[0] == 2.0f);  // (4 + 1 + 1) / 3
    const Tensor slope = Tensor::from<float>({0, 4, 0, 2, 0, -2}, {1, 3, 1, 2});
    for (int i = 0; i < 6; ++i) {
        BOOST_TEST(std::fabs(y.grad().data<float>()[i] - slope.data<float>()[i] / 3) < 1e-6);
    }
}

BOOST_AUTO_TEST_SUITE_END()
