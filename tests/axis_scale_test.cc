#include "tensor/kernels/axis_scale.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Variable scaled(bool divide, const Variable& x, const Variable& factor, int axis) {
    return divide ? divide_axis(x, factor, axis) : multiply_axis(x, factor, axis);
}

const char* name_of(bool divide) {
    return divide ? "divide_axis" : "multiply_axis";
}

std::vector<Tensor> run_large(bool divide, const Shape& shape, int axis) {
    const Variable x(random_tensor(shape, 1), true);
    const Variable factor(random_tensor({shape[axis]}, 2, 0.5f, 2), true);
    const Variable y = scaled(divide, x, factor, axis);
    backward_from(y, random_tensor(shape, 3));
    return {y.data(), x.grad(), factor.grad()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(axis_scale, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    for (const bool divide : {false, true}) {
        for (const std::string shape : {"weights", "activations"}) {
            const std::string at = std::string(name_of(divide)) + "/" + shape + "/";
            const Variable x(golden(at + "x"), true), factor(golden(at + "factor"), true);
            const Variable y = scaled(divide, x, factor, shape == "weights" ? 0 : -1);
            backward_from(y, golden(at + "dy"));
            BOOST_TEST(same_bits(y.data(), golden(at + "y")), at);
            BOOST_TEST(close(x.grad(), golden(at + "dx"), 1e-6), at);
            BOOST_TEST(close(factor.grad(), golden(at + "dfactor"), 4e-6), at);
        }
    }
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const ChannelLayout shape{2, 3, 4};
    for (const bool divide : {false, true}) {
        const GradcheckResult result = gradcheck(
            [&](const Arrays& in) {
                std::vector<double> y(24);
                axis_scale_forward_readable(shape, in[0].data(), in[1].data(), divide, y.data());
                return y;
            },
            [&](const Arrays& in, const std::vector<double>& dy) {
                Arrays d{std::vector<double>(24), std::vector<double>(3)};
                std::vector<double> saved = in[0];
                if (divide) {
                    axis_scale_forward_readable(shape, in[0].data(), in[1].data(), true,
                                                saved.data());
                }
                axis_scale_backward_readable(shape, saved.data(), in[1].data(), divide, dy.data(),
                                             d[0].data(), d[1].data());
                return d;
            },
            {gradcheck_values(24, -1, 1, 1), gradcheck_values(3, 0.5, 2, 2)});
        BOOST_TEST(result.worst < 1e-6, result.where);
    }
}

// The last axis, the first, one in the middle; several chunks, and rows that are no multiple of 32.
BOOST_AUTO_TEST_CASE(the_fast_kernel_equals_the_readable_one) {
    for (const auto& [shape, axis] :
         {std::pair{Shape{3000, 45}, -1}, std::pair{Shape{45, 3, 3, 37}, 0},
          std::pair{Shape{7, 5, 41}, 1}}) {
        for (const bool divide : {false, true}) {
            const std::vector<Tensor> got = run_large(divide, shape, axis);
            ChannelLayout s{1, shape[axis], 1};
            const int at = axis < 0 ? axis + shape.rank() : axis;
            for (int a = 0; a < at; ++a) s.outer *= shape[a];
            for (int a = at + 1; a < shape.rank(); ++a) s.inner *= shape[a];
            const auto x = random_tensor(shape, 1).to_vector<float>();
            const auto f = random_tensor({shape[axis]}, 2, 0.5f, 2).to_vector<float>();
            const auto dy = random_tensor(shape, 3).to_vector<float>();
            Tensor y = Tensor::empty(shape), dx = Tensor::empty(shape);
            axis_scale_forward_readable(s, x.data(), f.data(), divide, y.data<float>());
            std::vector<double> x2(x.begin(), x.end());
            const std::vector<double> f2(f.begin(), f.end());
            const std::vector<double> dy2(dy.begin(), dy.end());
            std::vector<double> dx2(x.size()), df2(f.size());
            if (divide) axis_scale_forward_readable(s, x2.data(), f2.data(), true, x2.data());
            axis_scale_backward_readable(s, x2.data(), f2.data(), divide, dy2.data(), dx2.data(),
                                         df2.data());
            const std::vector<float> df(df2.begin(), df2.end());
            BOOST_TEST(same_bits(got[0], y));
            axis_scale_forward_readable(s, dy.data(), f.data(), divide, dx.data<float>());
            BOOST_TEST(same_bits(got[1], dx));
            BOOST_TEST(close(got[2], Tensor::from(df, {shape[axis]}), 1e-5));
        }
    }
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] { return run_large(false, {5000, 45}, -1); }));
    BOOST_TEST(same_with_threads([] { return run_large(true, {45, 1000}, 0); }));
}

BOOST_AUTO_TEST_CASE(a_factor_that_does_not_fit_is_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"multiply_axis", "[2]", "axis -1", "[4, 3]"}, [] {
        multiply_axis(Variable(Tensor::zeros({4, 3})), Variable(Tensor::zeros({2})), -1);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
