#include "tensor/kernels/global_average_pool.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(global_average_pool, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable x(golden("global_average_pool/x"), true);
    const Variable y = gradus::global_average_pool(x);
    backward_from(y, golden("global_average_pool/dy"));
    BOOST_TEST(close(y.data(), golden("global_average_pool/y"), 1e-6));
    BOOST_TEST(same_bits(x.grad(), golden("global_average_pool/dx")));
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const PixelsShape shape{2, 5, 3};
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y(6);
            global_average_pool_forward_readable(shape, in[0].data(), y.data());
            return y;
        },
        [&](const Arrays&, const std::vector<double>& dy) {
            Arrays d{std::vector<double>(30)};
            global_average_pool_backward_readable(shape, dy.data(), d[0].data());
            return d;
        },
        {gradcheck_values(30, -1, 1, 1)});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

template <class Code>
void check_codes(int low, int high, int32_t zero_point) {
    const Tensor codes = random_codes<Code>({2, 5, 3, 37}, 1, low, high);
    const Variable y =
        gradus::global_average_pool(Variable(Exact{{affine(codes, 0.3f, zero_point)}}));
    BOOST_REQUIRE(y.exact() != nullptr);
    const Affine& sums = y.exact()->terms[0];
    BOOST_TEST(sums.count == 15);
    BOOST_TEST(sums.zero_point.template data<int32_t>()[0] == 15 * zero_point);
    for (int64_t n = 0; n < 2; ++n) {
        for (int64_t c = 0; c < 37; ++c) {
            int32_t sum = 0;
            for (int64_t p = 0; p < 15; ++p) {
                sum += codes.template data<Code>()[(n * 15 + p) * 37 + c];
            }
            BOOST_TEST(sums.codes.template data<int32_t>()[n * 37 + c] == sum);
            const float value = 0.3f * static_cast<float>(sum - 15 * zero_point);
            BOOST_TEST(y.data().template data<float>()[n * 37 + c] == value / 15.0f);
        }
    }
}

BOOST_AUTO_TEST_CASE(codes_are_summed_exactly) {
    check_codes<uint8_t>(0, 255, 3);
    check_codes<int8_t>(-128, 127, -7);
}

BOOST_AUTO_TEST_CASE(a_clamped_value_is_read_as_float) {
    const Affine a = affine(random_codes<int8_t>({2, 3, 3, 5}, 1, -128, 127), 0.3f, 0);
    const Variable y = gradus::global_average_pool(relu(Variable(Exact{{a}})));
    const Variable want = gradus::global_average_pool(relu(Variable(dequantize(a))));
    BOOST_TEST(y.exact() == nullptr);
    BOOST_TEST(same_bits(y.data(), want.data()));
}

BOOST_AUTO_TEST_SUITE_END()
