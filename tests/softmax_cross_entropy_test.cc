#include "tensor/kernels/softmax_cross_entropy.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(softmax_cross_entropy, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const auto& [name, smoothing] :
         {std::pair{std::string("plain"), 0.0f}, std::pair{std::string("smooth"), 0.1f}}) {
        const std::string at = "softmax_cross_entropy/" + name + "/";
        const Variable logits(golden(at + "logits"), true);
        const Variable loss =
            gradus::softmax_cross_entropy(logits, golden(at + "labels"), smoothing);
        backward(loss);
        BOOST_TEST(close(loss.data(), golden(at + "loss"), 1e-6), name);
        BOOST_TEST(close(logits.grad(), golden(at + "dlogits"), 1e-6), name);
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const std::vector<int64_t> labels = {1, 3, 0};
    for (const double smoothing : {0.0, 0.2}) {
        const GradcheckResult result = gradcheck(
            [&](const Arrays& in) {
                std::vector<double> lse(3);
                return std::vector<double>{softmax_cross_entropy_forward_readable(
                    in[0].data(), labels.data(), 3, 4, smoothing, lse.data())};
            },
            [&](const Arrays& in, const std::vector<double>& dy) {
                std::vector<double> lse(3);
                Arrays d{std::vector<double>(12)};
                softmax_cross_entropy_forward_readable(in[0].data(), labels.data(), 3, 4, smoothing,
                                                       lse.data());
                softmax_cross_entropy_backward_readable(in[0].data(), labels.data(), 3, 4,
                                                        smoothing, lse.data(), dy[0], d[0].data());
                return d;
            },
            {gradcheck_values(12, -3, 3, 1)});
        BOOST_TEST(result.worst < 1e-6, result.where);
    }
}

BOOST_AUTO_TEST_CASE(large_logits_do_not_overflow) {
    const Variable logits(Tensor::from<float>({1e4f, -1e4f, 0}, {1, 3}), true);
    const Variable loss = gradus::softmax_cross_entropy(logits, Tensor::from<int64_t>({1}, {1}), 0);
    BOOST_TEST(loss.data().data<float>()[0] == 2e4f);
    backward(loss);
    BOOST_TEST(same_bits(logits.grad(), Tensor::from<float>({1, -1, 0}, {1, 3})));
}

BOOST_AUTO_TEST_CASE(nan_reaches_the_loss) {
    for (int place = 0; place < 3; ++place) {
        Tensor logits = Tensor::zeros({1, 3});
        logits.data<float>()[place] = NAN;
        const Variable loss =
            gradus::softmax_cross_entropy(Variable(logits), Tensor::from<int64_t>({1}, {1}), 0);
        BOOST_TEST(std::isnan(loss.data().data<float>()[0]));
    }
}

BOOST_AUTO_TEST_CASE(labels_out_of_range_are_a_data_error) {
    for (const int64_t label : {int64_t{-1}, int64_t{3}}) {
        BOOST_TEST(throws(ErrorKind::data, {"label", "sample 1", "[0, 3)"}, [&] {
            gradus::softmax_cross_entropy(Variable(Tensor::zeros({2, 3})),
                                          Tensor::from<int64_t>({2, label}, {2}), 0);
        }));
    }
}

BOOST_AUTO_TEST_SUITE_END()
