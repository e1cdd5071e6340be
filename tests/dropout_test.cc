#include "tensor/kernels/dropout.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(dropout, *boost::unit_test::label("unit"))

// The script draws the same mask, from the same generator.
BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable x(golden("dropout/x"), true);
    const Variable y = gradus::dropout(x, 0.25f, Rng(12345), true);
    backward_from(y, golden("dropout/dy"));
    BOOST_TEST(same_bits(y.data(), golden("dropout/y")));
    BOOST_TEST(same_bits(x.grad(), golden("dropout/dx")));
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const Rng rng(3);
    const auto drop = [&](const std::vector<double>& x) {
        std::vector<double> y;
        for (size_t i = 0; i < x.size(); ++i) {
            y.push_back(dropout_value(x[i], rng.uniform(i), 0.5));
        }
        return y;
    };
    const GradcheckResult result =
        gradcheck([&](const Arrays& in) { return drop(in[0]); },
                  [&](const Arrays&, const std::vector<double>& dy) { return Arrays{drop(dy)}; },
                  {gradcheck_values(40, -1, 1, 1)});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

BOOST_AUTO_TEST_CASE(the_fraction_is_p_and_the_mean_is_kept) {
    const Variable y = gradus::dropout(Variable(Tensor::full({100000}, 1)), 0.3f, Rng(1), true);
    int64_t zeros = 0;
    double sum = 0;
    for (float v : y.data().to_vector<float>()) {
        zeros += v == 0.0f;
        sum += v;
    }
    BOOST_TEST(std::abs(zeros - 30000) < 600);
    BOOST_TEST(std::abs(sum - 100000) < 900);
}

BOOST_AUTO_TEST_CASE(evaluation_and_p_0_change_nothing) {
    const Variable x(random_tensor({50}, 1));
    BOOST_TEST(same_bits(gradus::dropout(x, 0.5f, Rng(1), false).data(), x.data()));
    BOOST_TEST(same_bits(gradus::dropout(x, 0.0f, Rng(1), true).data(), x.data()));
    const Variable none = gradus::dropout(x, 1.0f, Rng(1), true);
    BOOST_TEST(same_bits(none.data(), Tensor::zeros({50})));
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        const Variable x(random_tensor({100000}, 1));
        return std::vector<Tensor>{gradus::dropout(x, 0.5f, Rng(2), true).data()};
    }));
}

BOOST_AUTO_TEST_CASE(p_out_of_range_is_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"dropout", "1.5"},
                      [] { gradus::dropout(Variable(Tensor::zeros({1})), 1.5f, Rng(1), true); }));
}

BOOST_AUTO_TEST_SUITE_END()
