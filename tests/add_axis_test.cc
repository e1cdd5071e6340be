#include "tensor/kernels/add_axis.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(add_axis_operator, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const auto& [shape, axis] :
         {std::pair<std::string, int>{"weights", 0}, {"activations", -1}}) {
        const std::string at = "add_axis/" + shape + "/";
        const Variable x(golden(at + "x"), true), b(golden(at + "b"), true);
        const Variable y = add_axis(x, b, axis);
        backward_from(y, golden(at + "dy"));
        BOOST_TEST(same_bits(y.data(), golden(at + "y")), at);
        BOOST_TEST(same_bits(x.grad(), golden(at + "dy")), at);
        BOOST_TEST(close(b.grad(), golden(at + "db"), 4e-6), at);
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const ChannelLayout shape{2, 3, 4};
    const GradcheckResult result = gradcheck(
        [&](const Arrays& in) {
            std::vector<double> y(24);
            add_axis_forward_readable(shape, in[0].data(), in[1].data(), y.data());
            return y;
        },
        [&](const Arrays&, const std::vector<double>& dy) {
            Arrays d{dy, std::vector<double>(3)};
            add_axis_backward_readable(shape, dy.data(), d[1].data());
            return d;
        },
        {gradcheck_values(24, -1, 1, 1), gradcheck_values(3, 0.5, 2, 2)});
    BOOST_TEST(result.worst < 1e-6, result.where);
}

// The last axis, the first, one in the middle; several chunks.
BOOST_AUTO_TEST_CASE(the_fast_kernel_equals_the_readable_one) {
    for (const auto& [shape, axis] :
         {std::pair{Shape{3000, 45}, 1}, std::pair{Shape{45, 3, 3, 37}, 0},
          std::pair{Shape{7, 5, 41}, 1}}) {
        const ChannelLayout s = channel_layout(shape, axis);
        const Tensor values = random_tensor(shape, 1), dy = random_tensor(shape, 3);
        const Variable x(values), b(random_tensor({shape[axis]}, 2), true);
        const Variable y = add_axis(x, b, axis);
        backward_from(y, dy);
        Tensor expected = Tensor::empty(shape);
        add_axis_forward_readable(s, values.data<float>(), b.data().data<float>(),
                                  expected.data<float>());
        BOOST_TEST(same_bits(y.data(), expected));
        const std::vector<float> narrow = dy.to_vector<float>();
        const std::vector<double> wide(narrow.begin(), narrow.end());
        std::vector<double> db(shape[axis]);
        add_axis_backward_readable(s, wide.data(), db.data());
        BOOST_TEST(close(b.grad(),
                         Tensor::from(std::vector<float>(db.begin(), db.end()), b.shape()), 1e-5));
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] {
        const Variable x(random_tensor({5000, 45}, 1)), b(random_tensor({45}, 2), true);
        const Variable y = add_axis(x, b, -1);
        backward_from(y, random_tensor({5000, 45}, 3));
        return std::vector<Tensor>{y.data(), b.grad()};
    }));
}

BOOST_AUTO_TEST_CASE(a_summand_that_does_not_fit_is_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"add_axis", "[2]", "axis -1", "[4, 3]"}, [] {
        add_axis(Variable(Tensor::zeros({4, 3})), Variable(Tensor::zeros({2})), -1);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
