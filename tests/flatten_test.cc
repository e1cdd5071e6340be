#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(flatten, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable x(golden("flatten/x"), true);
    const Variable y = gradus::flatten(x);
    backward_from(y, golden("flatten/dy"));
    BOOST_TEST(same_bits(y.data(), golden("flatten/y")));
    BOOST_TEST(same_bits(x.grad(), golden("flatten/dx")));
}

BOOST_AUTO_TEST_CASE(nothing_is_copied) {
    const Variable x(Tensor::zeros({2, 3, 4, 5}));
    BOOST_TEST(gradus::flatten(x).data().raw() == x.data().raw());
}

BOOST_AUTO_TEST_CASE(codes_and_their_averages_stay_exact) {
    const Affine a = affine(random_codes<uint8_t>({3, 2, 2, 5}, 1, 0, 255), 0.1f, 7);
    const Variable y = gradus::flatten(Variable(Exact{{a}}));
    BOOST_REQUIRE(y.exact() != nullptr);
    BOOST_TEST(y.exact()->is_codes());
    BOOST_TEST(same_bits(y.data(), dequantize(a).reshape({3, 20})));
    const Variable average = gradus::global_average_pool(Variable(Exact{{a}}));
    const Variable flat = gradus::flatten(average);
    BOOST_REQUIRE(flat.exact() != nullptr);
    BOOST_TEST(flat.exact()->terms[0].count == 4);
    BOOST_TEST(same_bits(flat.data(), average.data().reshape({3, 5})));
}

BOOST_AUTO_TEST_CASE(scales_of_channels_survive_where_there_is_one_pixel) {
    Affine a = affine(random_codes<int32_t>({3, 1, 1, 5}, 1, -99, 99), 0.1f, 0);
    a.scale = random_tensor({5}, 2, 0.1f, 1);
    a.zero_point = Tensor::zeros({5}, DType::I32);
    const Variable y = gradus::flatten(Variable(Exact{{a}}));
    BOOST_REQUIRE(y.exact() != nullptr);
    BOOST_TEST(same_bits(y.data(), dequantize(a).reshape({3, 5})));
    a.codes = random_codes<int32_t>({3, 2, 1, 5}, 1, -99, 99);
    const Variable floats = gradus::flatten(Variable(Exact{{a}}));
    BOOST_TEST(floats.exact() == nullptr);
    BOOST_TEST(same_bits(floats.data(), dequantize(a).reshape({3, 10})));
}

BOOST_AUTO_TEST_SUITE_END()
