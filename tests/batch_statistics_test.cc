#include "tensor/kernels/batch_statistics.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

using Statistic = Variable (*)(const Variable&, Tensor, float, bool);

Tensor readable(bool variance, const Tensor& u) {
    const std::vector<float> values = u.to_vector<float>();
    const std::vector<double> wide(values.begin(), values.end());
    const int64_t channels = u.shape()[-1];
    std::vector<double> mean(channels), var(channels);
    batch_moments_readable(wide.data(), u.numel() / channels, channels, mean.data(), var.data());
    const std::vector<double>& wanted = variance ? var : mean;
    return Tensor::from(std::vector<float>(wanted.begin(), wanted.end()), {channels});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_statistics, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_backward_and_running_averages) {
    for (const auto& [op, run, average] :
         {std::tuple<std::string, Statistic, const char*>{"batch_mean", batch_mean, "running_mean"},
          {"batch_variance", batch_variance, "running_var"}}) {
        const Variable u(golden(op + "/u"), true);
        const Tensor running = golden(op + "/" + average);
        const Variable y = run(u, running, 0.1f, true);
        backward_from(y, golden(op + "/dy"));
        BOOST_TEST(close(y.data(), golden(op + "/y"), 1e-6), op);
        BOOST_TEST(close(u.grad(), golden(op + "/du"), 1e-6), op);
        BOOST_TEST(close(running, golden(op + "/running_after"), 1e-6), op);
    }
}

BOOST_AUTO_TEST_CASE(evaluation_gives_the_running_average_and_keeps_it) {
    const Variable u(golden("batch_mean/u"), true);
    for (const Statistic run : {batch_mean, batch_variance}) {
        const Tensor running = random_tensor({45}, 3, 0.5f, 2), before = running.clone();
        const Variable y = run(u, running, 0.1f, false);
        BOOST_TEST(same_bits(running, before));
        Tensor(running).data<float>()[0] = 50;  // must not affect the saved statistics
        BOOST_TEST(same_bits(y.data(), before));
        BOOST_TEST(!y.requires_grad());
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const int64_t rows = 5, channels = 3;
    const auto forward = [&](const Arrays& in) {
        std::vector<double> y(2 * channels);
        batch_moments_readable(in[0].data(), rows, channels, y.data(), y.data() + channels);
        return y;
    };
    const GradcheckResult result = gradcheck(
        forward,
        [&](const Arrays& in, const std::vector<double>& dy) {
            const std::vector<double> y = forward(in);
            Arrays d{std::vector<double>(rows * channels)};
            for (int64_t i = 0; i < rows * channels; ++i) {
                const int64_t c = i % channels;
                d[0][i] = batch_mean_slope(dy[c], double(rows)) +
                          batch_variance_slope(in[0][i], y[c], dy[channels + c], double(rows));
            }
            return d;
        },
        {gradcheck_values(rows * channels, -1, 1, 1)});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

// Several chunks, and a mean that is far from zero.
BOOST_AUTO_TEST_CASE(the_fast_kernel_equals_the_readable_one) {
    const Tensor u = random_tensor({3000, 45}, 1, 90, 110);
    const Tensor running = Tensor::full({45}, 1);
    BOOST_TEST(
        close(batch_mean(Variable(u), running, 0.1f, true).data(), readable(false, u), 1e-6));
    BOOST_TEST(
        close(batch_variance(Variable(u), running, 0.1f, true).data(), readable(true, u), 1e-5));
}

// Must equal batch norm's on the same values, bit for bit.
BOOST_AUTO_TEST_CASE(running_averages_are_those_of_batch_norm) {
    const Variable u(random_tensor({700, 45}, 1)), gamma(Tensor::full({45}, 1.0f));
    const Tensor mean = random_tensor({45}, 2), var = random_tensor({45}, 3, 0.5f, 2);
    const Tensor mean2 = mean.clone(), var2 = var.clone();
    batch_norm(u, gamma, gamma, mean, var, {1e-5f, 0.3f}, true);
    batch_mean(u, mean2, 0.3f, true);
    batch_variance(u, var2, 0.3f, true);
    BOOST_TEST(same_bits(mean2, mean));
    BOOST_TEST(same_bits(var2, var));
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        const Variable u(random_tensor({5000, 45}, 1), true), v(random_tensor({5000, 45}, 1), true);
        const Tensor running = Tensor::full({45}, 1), other = Tensor::full({45}, 1);
        const Variable mean = batch_mean(u, running, 0.1f, true);
        const Variable var = batch_variance(v, other, 0.1f, true);
        backward_from(mean, random_tensor({45}, 2));
        backward_from(var, random_tensor({45}, 3));
        return std::vector<Tensor>{mean.data(), var.data(), running, other, u.grad(), v.grad()};
    }));
}

BOOST_AUTO_TEST_CASE(what_has_no_variance_is_refused) {
    const Variable u(Tensor::zeros({1, 1, 1, 3}));
    for (const Statistic run : {batch_mean, batch_variance}) {
        BOOST_TEST(throws(ErrorKind::runtime, {"more than one value", "--batch-size"},
                          [&] { run(u, Tensor::zeros({3}), 0.1f, true); }));
        BOOST_TEST(throws(ErrorKind::runtime, {"3 channels", "[2]"},
                          [&] { run(u, Tensor::zeros({2}), 0.1f, false); }));
    }
}

BOOST_AUTO_TEST_SUITE_END()
