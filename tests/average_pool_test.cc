#include "tensor/kernels/average_pool.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

PoolAttrs padded() {
    return {3, 3, 2, 2, 1, 1, 1, 1, true};
}
PoolAttrs valid() {
    return {3, 2, 2, 1, 1, 1, 1, 1, false};
}
PoolAttrs uneven() {
    return {2, 3, 1, 2, 1, 0, 0, 2, true};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(average_pool, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const auto& [name, attrs] :
         {std::pair{std::string("padded"), padded()}, std::pair{std::string("valid"), valid()},
          std::pair{std::string("uneven"), uneven()}}) {
        const std::string at = "average_pool2d/" + name + "/";
        const Variable x(golden(at + "x"), true);
        const Variable y = average_pool2d(x, attrs);
        backward_from(y, golden(at + "dy"));
        BOOST_TEST(close(y.data(), golden(at + "y"), 1e-6), name);
        BOOST_TEST(close(x.grad(), golden(at + "dx"), 1e-6), name);
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    for (const PoolAttrs& attrs : {padded(), valid(), uneven()}) {
        const PoolShape shape = pool_shape("test", {2, 4, 5, 2}, attrs);
        const GradcheckResult result = gradcheck(
            [&](const Arrays& in) {
                std::vector<double> y(shape.output().numel());
                average_pool_forward_readable(shape, in[0].data(), y.data());
                return y;
            },
            [&](const Arrays&, const std::vector<double>& dy) {
                Arrays d{std::vector<double>(80)};
                average_pool_backward_readable(shape, dy.data(), d[0].data());
                return d;
            },
            {gradcheck_values(80, -1, 1, 1)});
        BOOST_TEST(result.worst < 1e-6, result.where);
    }
}

BOOST_AUTO_TEST_CASE(the_fast_kernel_equals_the_readable_one) {
    for (const PoolAttrs& attrs : {padded(), valid(), uneven()}) {
        const Variable x(random_tensor({3, 8, 7, 21}, 1), true);
        const PoolShape shape = pool_shape("test", x.shape(), attrs);
        const Tensor dy = random_tensor(shape.output(), 2);
        Tensor y = Tensor::empty(shape.output()), dx = Tensor::empty(x.shape());
        average_pool_forward_readable(shape, x.data().data<float>(), y.data<float>());
        average_pool_backward_readable(shape, dy.data<float>(), dx.data<float>());
        const Variable fast = average_pool2d(x, attrs);
        backward_from(fast, dy);
        BOOST_TEST(same_bits(fast.data(), y));
        BOOST_TEST(same_bits(x.grad(), dx));
    }
}

BOOST_AUTO_TEST_CASE(codes_are_averaged_as_their_float_view) {
    const Affine a = affine(random_codes<uint8_t>({2, 7, 6, 5}, 1, 0, 255), 0.3f, 5);
    const Variable y = average_pool2d(Variable(Exact{{a}}), valid());
    const Variable want = average_pool2d(Variable(dequantize(a)), valid());
    BOOST_TEST(same_bits(y.data(), want.data()));
}

// A 2x2 image of 10, 20, 30, 40 with zero point 3 under 3x3 windows, a pixel of padding around:
// each window sees the four codes, and five of padding where that counts.
BOOST_AUTO_TEST_CASE(sums_of_codes_count_what_the_windows_count) {
    const Tensor x = Tensor::from<uint8_t>({10, 20, 30, 40}, {1, 2, 2, 1});
    for (const bool counts_padding : {true, false}) {
        PoolAttrs attrs{3, 3, 1, 1, 1, 1, 1, 1, counts_padding};
        PoolShape s = pool_shape("test", x.shape(), attrs);
        std::vector<int32_t> sums(4);
        average_pool_sum_codes(Device::cpu(), s, x.dtype(), x.raw(), 3, sums.data());
        BOOST_TEST(sums == std::vector<int32_t>(4, counts_padding ? 115 : 100));
        BOOST_TEST(average_pool_counts(s) == std::vector<int32_t>(4, counts_padding ? 9 : 4));
        attrs.kernel_h = attrs.kernel_w = attrs.stride_h = attrs.stride_w = 2;
        s = pool_shape("test", x.shape(), attrs);
        average_pool_sum_codes(Device::cpu(), s, x.dtype(), x.raw(), 3, sums.data());
        const int32_t padding = counts_padding ? 9 : 0;
        BOOST_TEST(sums ==
                   (std::vector<int32_t>{10 + padding, 20 + padding, 30 + padding, 40 + padding}));
    }
}

BOOST_AUTO_TEST_SUITE_END()
