#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(linear, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable x(golden("linear/x"), true), w(golden("linear/w"), true);
    const Variable bias(golden("linear/bias"), true);
    const Variable y = gradus::linear(x, w, bias);
    backward_from(y, golden("linear/dy"));
    BOOST_TEST(close(y.data(), golden("linear/y"), 3e-6));
    BOOST_TEST(close(x.grad(), golden("linear/dx"), 3e-6));
    BOOST_TEST(close(w.grad(), golden("linear/dw"), 3e-6));
    BOOST_TEST(close(bias.grad(), golden("linear/dbias"), 3e-6));
}

BOOST_AUTO_TEST_CASE(is_a_convolution_of_one_pixel) {
    const Tensor x = random_tensor({6, 20}, 1), w = random_tensor({7, 20}, 2);
    const Variable y = gradus::linear(Variable(x), Variable(w), Variable());
    const Variable z = gradus::conv2d(Variable(x.reshape({6, 1, 1, 20})),
                                      Variable(w.reshape({7, 1, 1, 20})), Variable(), {});
    BOOST_TEST(same_bits(y.data(), z.data().reshape({6, 7})));
}

BOOST_AUTO_TEST_CASE(logits_of_codes_are_the_accumulators_times_the_scale) {
    const Tensor xq = random_codes<uint8_t>({4, 33}, 1, 0, 255);
    const Tensor wq = random_codes<int8_t>({10, 33}, 2, -127, 127);
    const Variable x(Exact{{affine(xq, 0.02f, 3)}}), w(Exact{{affine(wq, 0.007f, 0)}});
    const Tensor y = gradus::linear(x, w, Variable()).data();
    for (int64_t n = 0; n < 4; ++n) {
        for (int64_t o = 0; o < 10; ++o) {
            int32_t acc = 0;
            for (int64_t c = 0; c < 33; ++c) {
                acc += (xq.data<uint8_t>()[n * 33 + c] - 3) * wq.data<int8_t>()[o * 33 + c];
            }
            BOOST_TEST(y.data<float>()[n * 10 + o] == static_cast<float>(acc) * (0.02f * 0.007f));
        }
    }
}

BOOST_AUTO_TEST_CASE(bad_shapes_are_refused) {
    const Variable x(random_tensor({2, 3}, 1)), w(random_tensor({4, 5}, 2));
    BOOST_TEST(throws(ErrorKind::runtime, {"linear", "[2, 3]", "[4, 5]"},
                      [&] { gradus::linear(x, w, Variable()); }));
}

BOOST_AUTO_TEST_SUITE_END()
