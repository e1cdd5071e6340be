#include "tensor/kernels/batch_norm.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

struct Setting {
    Variable x, gamma, beta;
    Tensor mean, var;
    Variable y;
};

Setting golden_setting(const std::string& mode) {
    Setting s{Variable(golden("batch_norm/" + mode + "/x"), true),
              Variable(golden("batch_norm/" + mode + "/gamma"), true),
              Variable(golden("batch_norm/" + mode + "/beta"), true),
              golden("batch_norm/" + mode + "/running_mean"),
              golden("batch_norm/" + mode + "/running_var"),
              Variable()};
    s.y = gradus::batch_norm(s.x, s.gamma, s.beta, s.mean, s.var, {}, mode == "train");
    return s;
}

// Runs forward and backward on rows x channels; returns everything that the kernels write.
std::vector<Tensor> train_once(int64_t rows, int64_t channels, float shift) {
    const Variable x(random_tensor({rows, channels}, 1, shift - 1, shift + 1), true);
    const Variable gamma(random_tensor({channels}, 2), true);
    const Variable beta(random_tensor({channels}, 3), true);
    Tensor mean = Tensor::zeros({channels}), var = Tensor::full({channels}, 1);
    const Variable y = gradus::batch_norm(x, gamma, beta, mean, var, {}, true);
    backward_from(y, random_tensor({rows, channels}, 4));
    return {y.data(), mean, var, x.grad(), gamma.grad(), beta.grad()};
}

// The same in double, by the readable kernels.
std::vector<Tensor> train_readable(int64_t rows, int64_t channels, float shift) {
    const auto wide = [](const Tensor& t) {
        const std::vector<float> v = t.to_vector<float>();
        return std::vector<double>(v.begin(), v.end());
    };
    const auto narrow = [](const std::vector<double>& v, const Shape& shape) {
        return Tensor::from(std::vector<float>(v.begin(), v.end()), shape);
    };
    const auto x = wide(random_tensor({rows, channels}, 1, shift - 1, shift + 1));
    const auto gamma = wide(random_tensor({channels}, 2)),
               beta = wide(random_tensor({channels}, 3));
    const auto dy = wide(random_tensor({rows, channels}, 4));
    std::vector<double> mean(channels), inv_std(channels), y(x.size()), dx(x.size());
    std::vector<double> dgamma(channels), dbeta(channels), running_mean, running_var;
    batch_norm_forward_readable(x.data(), gamma.data(), beta.data(), rows, channels, 1e-5,
                                mean.data(), inv_std.data(), y.data());
    batch_norm_backward_readable(x.data(), dy.data(), gamma.data(), mean.data(), inv_std.data(),
                                 rows, channels, true, dx.data(), dgamma.data(), dbeta.data());
    for (int64_t c = 0; c < channels; ++c) {
        const double variance = 1 / (inv_std[c] * inv_std[c]) - 1e-5;
        running_mean.push_back(0.1 * mean[c]);
        running_var.push_back(0.9 + 0.1 * variance * rows / (rows - 1));
    }
    const Shape all{rows, channels}, one{channels};
    return {narrow(y, all),  narrow(running_mean, one), narrow(running_var, one),
            narrow(dx, all), narrow(dgamma, one),       narrow(dbeta, one)};
}

GradcheckResult numeric_gradient(bool training) {
    constexpr int64_t rows = 6, channels = 3;
    const std::vector<double> mean0 = {0.1, -0.2, 0.3}, inv0 = {0.9, 1.2, 2.0};
    const auto forward = [&](const Arrays& in) {
        std::vector<double> mean = mean0, inv_std = inv0, y(rows * channels);
        if (training) {
            batch_norm_forward_readable(in[0].data(), in[1].data(), in[2].data(), rows, channels,
                                        1e-3, mean.data(), inv_std.data(), y.data());
        } else {
            for (int64_t i = 0; i < rows * channels; ++i) {
                const int64_t c = i % channels;
                y[i] = batch_norm_value(in[0][i], mean[c], in[1][c] * inv_std[c], in[2][c]);
            }
        }
        return y;
    };
    const auto backward = [&](const Arrays& in, const std::vector<double>& dy) {
        std::vector<double> mean = mean0, inv_std = inv0, y(rows * channels);
        if (training) {
            batch_norm_forward_readable(in[0].data(), in[1].data(), in[2].data(), rows, channels,
                                        1e-3, mean.data(), inv_std.data(), y.data());
        }
        Arrays d{std::vector<double>(rows * channels), std::vector<double>(channels),
                 std::vector<double>(channels)};
        batch_norm_backward_readable(in[0].data(), dy.data(), in[1].data(), mean.data(),
                                     inv_std.data(), rows, channels, training, d[0].data(),
                                     d[1].data(), d[2].data());
        return d;
    };
    return gradcheck(forward, backward,
                     {gradcheck_values(rows * channels, -2, 2, 1),
                      gradcheck_values(channels, 0.5, 2, 2), gradcheck_values(channels, -1, 1, 3)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_norm, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const std::string mode : {"train", "eval"}) {
        const Setting s = golden_setting(mode);
        const std::string at = "batch_norm/" + mode + "/";
        backward_from(s.y, golden(at + "dy"));
        BOOST_TEST(close(s.y.data(), golden(at + "y"), 2e-6), mode);
        BOOST_TEST(close(s.mean, golden(at + "running_mean_after"), 1e-6), mode);
        BOOST_TEST(close(s.var, golden(at + "running_var_after"), 1e-6), mode);
        BOOST_TEST(close(s.x.grad(), golden(at + "dx"), 2e-6), mode);
        BOOST_TEST(close(s.gamma.grad(), golden(at + "dgamma"), 2e-5), mode);
        BOOST_TEST(close(s.beta.grad(), golden(at + "dbeta"), 2e-5), mode);
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    for (const bool training : {true, false}) {
        const GradcheckResult result = numeric_gradient(training);
        BOOST_TEST(result.worst < 1e-6, result.where);
    }
}

// Several chunks, a mean far from zero (the variance must not cancel), every width of channels.
BOOST_AUTO_TEST_CASE(the_fast_kernel_equals_the_readable_one) {
    const char* names[] = {"y", "running_mean", "running_var", "dx", "dgamma", "dbeta"};
    for (const auto& [rows, channels, shift] :
         {std::tuple{2500, 45, 0.0f}, std::tuple{2500, 45, 100.0f}, std::tuple{40000, 3, 1.0f}}) {
        const std::vector<Tensor> got = train_once(rows, channels, shift);
        const std::vector<Tensor> want = train_readable(rows, channels, shift);
        // For x of size `shift` the difference x - mean loses its low bits.
        const double tolerance = 3e-6 * std::max(1.0f, shift) * std::sqrt(rows / 1000.0);
        const double sum_tolerance = 5e-9 * rows * std::max(1.0f, shift);
        for (size_t i = 0; i < got.size(); ++i) {
            const bool sum = i >= 4;
            BOOST_TEST(close(got[i], want[i], sum ? sum_tolerance : tolerance),
                       names[i] << " of " << rows);
        }
    }
}

// Two neighbouring floats around 1e5: their mean is not a float, and the variance must use the
// exact mean.
BOOST_AUTO_TEST_CASE(the_variance_is_about_the_unrounded_mean) {
    constexpr int64_t rows = 40;
    const float low = 1e5f, step = std::nextafter(low, 2e5f) - low;
    Tensor x = Tensor::full({rows, 1}, low), mean = Tensor::zeros({1}), var = Tensor::zeros({1});
    for (int64_t r = 0; r < rows; r += 4) x.data<float>()[r] = low + step;
    const Variable one(Tensor::full({1}, 1));
    gradus::batch_norm(Variable(x), one, one, mean, var, {1e-5f, 1.0f}, true);
    const double want = 0.25 * 0.75 * step * step * rows / (rows - 1);
    BOOST_TEST(std::abs(var.data<float>()[0] / want - 1) < 1e-6);
}

BOOST_AUTO_TEST_CASE(eval_is_exactly_its_formula) {
    const Setting s = golden_setting("eval");
    const std::vector<float> x = s.x.data().to_vector<float>(), y = s.y.data().to_vector<float>();
    const std::vector<float> gamma = s.gamma.data().to_vector<float>();
    const std::vector<float> beta = s.beta.data().to_vector<float>();
    const std::vector<float> mean = s.mean.to_vector<float>(), var = s.var.to_vector<float>();
    for (size_t i = 0; i < x.size(); ++i) {
        const size_t c = i % gamma.size();
        const float scale = gamma[c] / std::sqrt(var[c] + 1e-5f);
        const float centred = x[i] - mean[c];
        const float scaled = centred * scale;
        BOOST_TEST(y[i] == scaled + beta[c]);
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] { return train_once(5000, 45, 0.5f); }));
}

BOOST_AUTO_TEST_CASE(codes_are_normalised_as_their_float_view) {
    const Affine a = affine(random_codes<int32_t>({4, 3, 3, 9}, 1, -900, 900), 0.01f, 0);
    const Variable leaf(Tensor::zeros({4, 3, 3, 9}), true), floats(dequantize(a), true);
    const Variable codes = record("codes", Variable(Exact{{a}}), {leaf},
                                  [](const Tensor& dx) -> Grads { return {dx}; });
    const Tensor dy = random_tensor({4, 3, 3, 9}, 2);
    std::vector<Tensor> outputs;
    for (const Variable& x : {codes, floats}) {
        Tensor mean = Tensor::zeros({9}), var = Tensor::full({9}, 1);
        const Variable y = gradus::batch_norm(x, Variable(Tensor::full({9}, 2), true),
                                              Variable(Tensor::zeros({9})), mean, var, {}, true);
        backward_from(y, dy);
        outputs.push_back(y.data());
    }
    BOOST_TEST(same_bits(outputs[0], outputs[1]));
    BOOST_TEST(same_bits(leaf.grad(), floats.grad()));
}

BOOST_AUTO_TEST_CASE(one_value_per_channel_is_refused) {
    const Variable one(Tensor::full({2}, 1));
    BOOST_TEST(throws(ErrorKind::runtime, {"batch_norm", "[1, 1, 1, 2]"}, [&] {
        gradus::batch_norm(Variable(Tensor::zeros({1, 1, 1, 2})), one, one, one.data(), one.data(),
                           {}, true);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
