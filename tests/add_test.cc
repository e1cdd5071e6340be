#include "tensor/kernels/add.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(add, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable a(golden("add/a"), true), b(golden("add/b"), true);
    const Variable y = gradus::add(a, b);
    backward_from(y, golden("add/dy"));
    BOOST_TEST(same_bits(y.data(), golden("add/y")));
    BOOST_TEST(same_bits(a.grad(), golden("add/da")));
    BOOST_TEST(same_bits(b.grad(), golden("add/db")));
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const auto forward = [](const Arrays& in) {
        std::vector<double> y;
        for (size_t i = 0; i < in[0].size(); ++i) y.push_back(add_value(in[0][i], in[1][i]));
        return y;
    };
    const auto backward = [](const Arrays&, const std::vector<double>& dy) {
        return Arrays{dy, dy};
    };
    const GradcheckResult result = gradcheck(
        forward, backward, {gradcheck_values(9, -1, 1, 1), gradcheck_values(9, -1, 1, 2)});
    BOOST_TEST(result.worst < 1e-6, result.where);
    BOOST_TEST(result.compared == 18);
}

BOOST_AUTO_TEST_CASE(two_exact_terms_stay_exact) {
    const Affine a = affine(random_codes<uint8_t>({2, 3, 2, 5}, 1, 0, 255), 0.1f, 7);
    const Affine b = affine(random_codes<int32_t>({2, 3, 2, 5}, 2, -4000, 4000), 0.003f, 0);
    const Variable y = gradus::add(Variable(Exact{{a}}), Variable(Exact{{b}}));
    BOOST_REQUIRE(y.exact() != nullptr);
    BOOST_TEST(y.exact()->terms.size() == 2u);
    // Accumulators come first, on either side of the sum.
    BOOST_TEST(same_bits(y.exact()->terms[0].codes, b.codes));
    BOOST_TEST(same_bits(y.exact()->terms[1].codes, a.codes));
    const Variable floats = gradus::add(Variable(dequantize(a)), Variable(dequantize(b)));
    BOOST_TEST(same_bits(y.data(), floats.data()));
}

BOOST_AUTO_TEST_CASE(a_clamped_value_is_read_as_float) {
    const Affine a = affine(random_codes<int8_t>({1, 2, 2, 3}, 3, -128, 127), 0.5f, 0);
    const Variable y = gradus::add(relu(Variable(Exact{{a}})), Variable(Exact{{a}}));
    BOOST_TEST(y.exact() == nullptr);
    const std::vector<float> sums = y.data().to_vector<float>();
    const std::vector<float> values = dequantize(a).to_vector<float>();
    for (size_t i = 0; i < sums.size(); ++i) {
        BOOST_TEST(sums[i] == std::max(values[i], 0.0f) + values[i]);
    }
}

BOOST_AUTO_TEST_CASE(other_shapes_are_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"add", "[2]", "[3]"}, [] {
        gradus::add(Variable(Tensor::zeros({2})), Variable(Tensor::zeros({3})));
    }));
}

BOOST_AUTO_TEST_SUITE_END()
