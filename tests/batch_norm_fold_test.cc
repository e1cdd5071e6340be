#include "tensor/kernels/batch_norm_fold.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(batch_norm_fold, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_scale) {
    const Variable gamma(golden("batch_norm_scale/gamma"), true);
    const Variable y =
        batch_norm_scale(gamma, Variable(golden("batch_norm_scale/running_var")), 1e-3f);
    backward_from(y, golden("batch_norm_scale/dy"));
    BOOST_TEST(close(y.data(), golden("batch_norm_scale/y"), 1e-6));
    BOOST_TEST(close(gamma.grad(), golden("batch_norm_scale/dgamma"), 1e-6));
}

BOOST_AUTO_TEST_CASE(golden_bias) {
    const Variable beta(golden("batch_norm_bias/beta"), true);
    const Variable scale(golden("batch_norm_bias/scale"), true);
    const Variable bias(golden("batch_norm_bias/bias"), true);
    const Variable y =
        batch_norm_bias(beta, Variable(golden("batch_norm_bias/running_mean")), scale, bias);
    backward_from(y, golden("batch_norm_bias/dy"));
    BOOST_TEST(close(y.data(), golden("batch_norm_bias/y"), 1e-6));
    BOOST_TEST(close(beta.grad(), golden("batch_norm_bias/dbeta"), 1e-6));
    BOOST_TEST(close(scale.grad(), golden("batch_norm_bias/dscale"), 1e-6));
    BOOST_TEST(close(bias.grad(), golden("batch_norm_bias/dbias"), 1e-6));
}

BOOST_AUTO_TEST_CASE(an_absent_bias_is_zero) {
    const Variable beta(golden("batch_norm_bias/beta"), true);
    const Variable scale(golden("batch_norm_bias/scale"), true);
    const Variable mean(golden("batch_norm_bias/running_mean"));
    const Variable without = batch_norm_bias(beta, mean, scale, Variable());
    const Variable zero = batch_norm_bias(beta, mean, scale, Variable(Tensor::zeros(mean.shape())));
    BOOST_TEST(same_bits(without.data(), zero.data()));
    backward_from(without, golden("batch_norm_bias/dy"));
    BOOST_TEST(same_bits(beta.grad(), golden("batch_norm_bias/dy")));
    BOOST_TEST(scale.grad().defined());
}

BOOST_AUTO_TEST_CASE(statistics_updated_before_backward_do_not_reach_it) {
    const Variable gamma(Tensor::full({1}, 3), true), beta(Tensor::zeros({1}), true);
    const Tensor mean = Tensor::full({1}, 2), var = Tensor::full({1}, 4);
    const Variable scale = batch_norm_scale(gamma, Variable(var), 0.0f);
    const Variable bias = batch_norm_bias(beta, Variable(mean), scale, Variable());
    Tensor(mean).data<float>()[0] = 50;
    Tensor(var).data<float>()[0] = 50;
    backward(bias);
    BOOST_TEST(gamma.grad().data<float>()[0] == -2.0f / 2.0f);
}

BOOST_AUTO_TEST_CASE(the_scale_keeps_away_from_zero) {
    const Tensor gamma = Tensor::from<float>({0.0f, 1e-9f, -1e-9f, 2.0f, -0.5f}, {5});
    const Variable leaf(gamma, true);
    const Variable var(Tensor::full({5}, 1.0f), true);
    const Variable y = batch_norm_scale(leaf, var, 0.0f);
    BOOST_TEST(same_bits(y.data(), Tensor::from<float>({1e-6f, 1e-6f, -1e-6f, 2.0f, -0.5f}, {5})));
    backward_from(y, Tensor::full({5}, 3.0f));
    BOOST_TEST(same_bits(leaf.grad(), Tensor::from<float>({0, 0, 0, 3, 3}, {5})));
    BOOST_TEST(same_bits(var.grad(), Tensor::from<float>({0, 0, 0, -3, 0.75f}, {5})));
}

BOOST_AUTO_TEST_CASE(golden_statistics_of_the_batch) {
    const std::string scale_of = "batch_norm_scale/batch/", bias_of = "batch_norm_bias/batch/";
    const Variable gamma(golden(scale_of + "gamma"), true), var(golden(scale_of + "var"), true);
    backward_from(batch_norm_scale(gamma, var, 1e-3f), golden(scale_of + "dy"));
    BOOST_TEST(close(gamma.grad(), golden(scale_of + "dgamma"), 1e-6));
    BOOST_TEST(close(var.grad(), golden(scale_of + "dvar"), 2e-6));
    const Variable mean(golden(bias_of + "mean"), true), beta(golden(bias_of + "beta"));
    const Variable scale(golden(bias_of + "scale")), bias(golden(bias_of + "bias"));
    backward_from(batch_norm_bias(beta, mean, scale, bias), golden(bias_of + "dy"));
    BOOST_TEST(close(mean.grad(), golden(bias_of + "dmean"), 1e-6));
}

BOOST_AUTO_TEST_CASE(golden_ratio) {
    const Tensor running = golden("deviation_ratio/running_var");
    const Variable batch(golden("deviation_ratio/batch_var"), true);
    const Variable y = deviation_ratio(running, batch, 1e-3f);
    Tensor(running).data<float>()[0] = 50;  // updated before backward
    backward_from(y, golden("deviation_ratio/dy"));
    BOOST_TEST(close(y.data(), golden("deviation_ratio/y"), 1e-6));
    BOOST_TEST(close(batch.grad(), golden("deviation_ratio/dbatch_var"), 2e-6));
}

BOOST_AUTO_TEST_CASE(ratio_gradient_is_numeric) {
    const std::vector<double> running = {0.3, 1.0, 2.5};
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y;
            for (int c = 0; c < 3; ++c) {
                y.push_back(deviation_ratio_value(running[c], in[0][c], 1e-3));
            }
            return y;
        },
        [&](const Arrays& in, const std::vector<double>& dy) {
            Arrays d(1);
            for (int c = 0; c < 3; ++c) {
                d[0].push_back(deviation_ratio_slope(running[c], in[0][c], 1e-3, dy[c]));
            }
            return d;
        },
        {{0.7, 1.1, 0.2}});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

BOOST_AUTO_TEST_CASE(scale_gradient_is_numeric) {
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y;
            for (int c = 0; c < 3; ++c) y.push_back(fold_factor_value(in[0][c], in[1][c], 1e-3));
            return y;
        },
        [&](const Arrays& in, const std::vector<double>& dy) {
            Arrays d(2);
            for (int c = 0; c < 3; ++c) {
                d[0].push_back(fold_factor_slope(in[0][c], in[1][c], 1e-3, dy[c]));
                d[1].push_back(fold_factor_var_slope(in[0][c], in[1][c], 1e-3, dy[c]));
            }
            return d;
        },
        {{0.7, -1.1, 0.2}, {0.3, 1.0, 2.5}});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

BOOST_AUTO_TEST_CASE(bias_gradient_is_numeric) {
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y;
            for (int c = 0; c < 3; ++c) {
                y.push_back(fold_bias_value(in[0][c], in[2][c], in[3][c], in[1][c]));
            }
            return y;
        },
        [&](const Arrays& in, const std::vector<double>& dy) {
            Arrays d{dy, {}, {}, {}};
            for (int c = 0; c < 3; ++c) {
                d[1].push_back(dy[c] * (in[2][c] - in[3][c]));
                d[2].push_back(dy[c] * in[1][c]);
                d[3].push_back(-dy[c] * in[1][c]);
            }
            return d;
        },
        {{0.7, -1.1, 0.2}, {1.5, 0.4, -0.3}, {0.1, 0.9, -0.6}, {0.3, -1.0, 0.5}});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

BOOST_AUTO_TEST_SUITE_END()
