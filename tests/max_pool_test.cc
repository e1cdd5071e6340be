#include "tensor/kernels/max_pool.h"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

PoolAttrs resnet() {
    return {3, 3, 2, 2, 1, 1, 1, 1};
}
PoolAttrs uneven() {
    return {2, 3, 1, 2, 1, 0, 0, 2};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(max_pool, *boost::unit_test::label("unit"))

// The inputs have few distinct values, so that the windows have ties: the first must win.
BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const auto& [name, attrs] :
         {std::pair{std::string("resnet"), resnet()}, std::pair{std::string("uneven"), uneven()}}) {
        const std::string at = "max_pool2d/" + name + "/";
        const Variable x(golden(at + "x"), true);
        const Variable y = max_pool2d(x, attrs);
        backward_from(y, golden(at + "dy"));
        BOOST_TEST(same_bits(y.data(), golden(at + "y")), name);
        BOOST_TEST(close(x.grad(), golden(at + "dx"), 1e-6), name);
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const PoolShape shape = pool_shape("test", {2, 4, 5, 2}, uneven());
    // Distinct values in a shuffled order: no two are closer than 0.01.
    std::vector<double> x;
    for (int64_t i : Rng(3).permutation(80)) x.push_back(0.01 * static_cast<double>(i));
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y(shape.output().numel());
            max_pool_forward_readable(shape, in[0].data(), y.data());
            return y;
        },
        [&](const Arrays& in, const std::vector<double>& dy) {
            Arrays d{std::vector<double>(80)};
            max_pool_backward_readable(shape, in[0].data(), dy.data(), d[0].data());
            return d;
        },
        {x});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

template <class Code>
void check_codes(int low, int high) {
    const Tensor codes = random_codes<Code>({2, 7, 6, 19}, 1, low, high);
    const Affine a = affine(codes, 0.3f, 5);
    const PoolShape shape = pool_shape("test", codes.shape(), resnet());
    const Variable leaf(Tensor::zeros(codes.shape()), true), floats(dequantize(a), true);
    const Variable x = record("codes", Variable(Exact{{a}}), {leaf},
                              [](const Tensor& dx) -> Grads { return {dx}; });
    const Variable y = max_pool2d(x, resnet()), want = max_pool2d(floats, resnet());
    BOOST_REQUIRE(y.exact() != nullptr);
    BOOST_TEST(y.exact()->is_codes());
    BOOST_TEST(same_bits(y.data(), want.data()));
    Tensor readable = Tensor::empty(shape.output(), codes.dtype());
    max_pool_forward_readable(shape, codes.data<Code>(), readable.data<Code>());
    BOOST_TEST(same_bits(y.exact()->terms[0].codes, readable));
    const Tensor dy = random_tensor(shape.output(), 2);
    backward_from(y, dy);
    backward_from(want, dy);
    BOOST_TEST(same_bits(leaf.grad(), floats.grad()));
}

// Padding never wins, although real 0 would: all codes may represent negative numbers.
BOOST_AUTO_TEST_CASE(codes_stay_codes) {
    check_codes<uint8_t>(0, 255);
    check_codes<int8_t>(-128, 127);
    check_codes<int8_t>(-128, -100);
}

BOOST_AUTO_TEST_CASE(nan_wins_and_infinity_is_a_value) {
    const float infinity = std::numeric_limits<float>::infinity();
    const Tensor x =
        Tensor::from<float>({1, NAN, 3, -infinity, -infinity, -infinity}, {1, 1, 6, 1});
    const Variable leaf(x, true);
    const Variable y = max_pool2d(leaf, {1, 3, 1, 3});
    BOOST_TEST(std::isnan(y.data().data<float>()[0]));
    BOOST_TEST(y.data().data<float>()[1] == -infinity);
    backward_from(y, Tensor::from<float>({5, 7}, {1, 1, 2, 1}));
    BOOST_TEST(same_bits(leaf.grad(), Tensor::from<float>({0, 5, 0, 7, 0, 0}, {1, 1, 6, 1})));
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        const Variable x(random_tensor({5, 9, 9, 21}, 1), true);
        const Variable y = max_pool2d(x, resnet());
        backward_from(y, random_tensor(y.shape(), 2));
        return std::vector<Tensor>{y.data(), x.grad()};
    }));
}

BOOST_AUTO_TEST_CASE(a_window_that_does_not_fit_is_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"max_pool2d", "window of 3"}, [] {
        max_pool2d(Variable(Tensor::zeros({1, 2, 2, 1})), {3, 3, 1, 1});
    }));
}

BOOST_AUTO_TEST_SUITE_END()
