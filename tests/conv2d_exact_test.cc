// conv2d and linear on codes: exact integers forward, the gradient of the float views backward.
#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/conv2d_cases.h"
#include "tests/files.h"

using namespace gradus;

namespace {

constexpr float s_x = 0.0213f;

// Operands on grids: x unsigned per tensor, w per filter.
struct OnGrid {
    ConvCase geometry;
    Conv2dShape s;
    Affine x, w;

    explicit OnGrid(const ConvCase& c)
        : geometry(c), s(c.shape()), x(affine(random_codes<uint8_t>(c.x, 1, 0, 15), s_x, 6)) {
        const Tensor zero = Tensor::zeros({s.o}, DType::I32);
        w = {random_codes<int8_t>(c.w, 2, -7, 7), random_tensor({s.o}, 3, 0.01f, 0.02f), zero, 0};
    }

    // Stands in for a quantizer: puts the value on the tape with its own gradient.
    static Variable on_tape(const Affine& value, const Variable& leaf) {
        return record("grid", Variable(Exact{{value}}), {leaf},
                      [](const Tensor& dy) -> Grads { return {dy}; });
    }

    float scale(int64_t o) const { return s_x * w.scale.data<float>()[o]; }
    Tensor scales() const {
        Tensor result = Tensor::empty({s.o});
        for (int64_t o = 0; o < s.o; ++o) result.data<float>()[o] = scale(o);
        return result;
    }

    std::vector<int32_t> accumulators() const {
        std::vector<int32_t> acc(s.output().numel());
        for_each_product([&](int64_t yi, int64_t xi, int64_t wi) {
            acc[yi] += (x.codes.data<uint8_t>()[xi] - 6) * w.codes.data<int8_t>()[wi];
        });
        return acc;
    }

    template <class F>
    void for_each_product(const F& f) const {
        for (int64_t yi = 0; yi < s.output().numel(); ++yi) {
            const int64_t o = yi % s.o, ow = yi / s.o % s.ow, oh = yi / s.o / s.ow % s.oh;
            for (int64_t k = 0; k < s.k(); ++k) {
                const int64_t ih =
                    oh * s.attrs.stride_h - s.attrs.pad_top + k / s.group_in() / s.kw;
                const int64_t iw =
                    ow * s.attrs.stride_w - s.attrs.pad_left + k / s.group_in() % s.kw;
                if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) continue;
                const int64_t n = yi / s.o / s.ow / s.oh;
                f(yi,
                  ((n * s.h + ih) * s.w + iw) * s.c + o / s.group_out() * s.group_in() +
                      k % s.group_in(),
                  o * s.k() + k);
            }
        }
    }
};

std::vector<ConvCase> cases() {
    return {wide_conv_cases()[0], wide_conv_cases()[4], wide_conv_cases()[7], wide_conv_cases()[8],
            small_conv_cases()[4]};
}

Variable int32_bias(const Tensor& scale) {
    const Tensor codes = random_codes<int32_t>(scale.shape(), 5, -900, 900);
    return Variable(Exact{{Affine{codes, scale, Tensor::zeros({1}, DType::I32)}}});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conv2d_exact, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(real_output_is_one_product_of_floats) {
    for (const ConvCase& c : cases()) {
        const OnGrid g(c);
        const Tensor bias = random_tensor({g.s.o}, 6);
        const Variable x(Exact{{g.x}}), w(Exact{{g.w}});
        const Tensor y = gradus::conv2d(x, w, Variable(), c.attrs).data();
        const Tensor z = gradus::conv2d(x, w, Variable(bias), c.attrs).data();
        const std::vector<int32_t> acc = g.accumulators();
        int64_t wrong = 0;
        for (int64_t i = 0; i < y.numel(); ++i) {
            const float want = static_cast<float>(acc[i]) * g.scale(i % g.s.o);
            wrong += y.data<float>()[i] != want;
            wrong += z.data<float>()[i] != want + bias.data<float>()[i % g.s.o];
        }
        BOOST_TEST_CONTEXT(c) {
            BOOST_TEST(wrong == 0);
        }
    }
}

BOOST_AUTO_TEST_CASE(accumulator_output_holds_integers_and_their_scale) {
    for (const ConvCase& c : cases()) {
        const OnGrid g(c);
        const Variable bias = int32_bias(g.scales());
        const Variable y = gradus::conv2d(Variable(Exact{{g.x}}), Variable(Exact{{g.w}}), bias,
                                          c.attrs, CodesOutput::accumulator);
        std::vector<int32_t> want = g.accumulators();
        for (size_t i = 0; i < want.size(); ++i) {
            want[i] += bias.exact()->terms[0].codes.data<int32_t>()[i % g.s.o];
        }
        BOOST_REQUIRE(y.exact() && y.exact()->terms.size() == 1);
        const Affine& acc = y.exact()->terms[0];
        BOOST_TEST(acc.codes.to_vector<int32_t>() == want);
        BOOST_TEST(same_bits(acc.scale, g.scales()));
        BOOST_TEST(acc.zero_point.to_vector<int32_t>() == std::vector<int32_t>{0});
        BOOST_TEST((acc.axis == -1 && acc.count == 1));
    }
}

// The closures hold codes; the gradient is that of the codes' floats.
BOOST_AUTO_TEST_CASE(gradients_are_those_of_the_float_views) {
    for (const ConvCase& c : cases()) {
        const OnGrid g(c);
        const Variable x(dequantize(g.x), true), w(dequantize(g.w), true);
        const Variable bias(random_tensor({g.s.o}, 6), true), same(bias.data(), true);
        const Variable x_leaf(Tensor::zeros(c.x), true), w_leaf(Tensor::zeros(c.w), true);
        const Tensor dy = random_tensor(g.s.output(), 7);
        backward_from(gradus::conv2d(x, w, bias, c.attrs), dy);
        backward_from(gradus::conv2d(g.on_tape(g.x, x_leaf), g.on_tape(g.w, w_leaf), same, c.attrs),
                      dy);
        BOOST_TEST_CONTEXT(c) {
            BOOST_TEST(same_bits(x_leaf.grad(), x.grad()));
            BOOST_TEST(close(w_leaf.grad(), w.grad(), 1e-5));
            BOOST_TEST(same_bits(same.grad(), bias.grad()));
        }
    }
}

// 255 (127 + 127) exceeds 16 bits; the gradient ignores the saturation.
BOOST_AUTO_TEST_CASE(a_policy_changes_the_sum_and_not_the_gradient) {
    const Affine codes = affine(Tensor::from<uint8_t>({255, 255}, {1, 1, 1, 2}), 1.0f, 0);
    const Affine weight = affine(Tensor::from<int8_t>({127, 127}, {1, 1, 1, 2}), 1.0f, 0);
    const Variable none;
    std::vector<Tensor> dx, dw;
    for (const auto& [policy, want] :
         {std::pair{AccumulatorPolicy::exact, 64770.0f}, {AccumulatorPolicy::pairs16, 32767.0f}}) {
        const Variable x(Tensor::zeros({1, 1, 1, 2}), true), w(Tensor::zeros({1, 1, 1, 2}), true);
        const Variable y = gradus::conv2d(OnGrid::on_tape(codes, x), OnGrid::on_tape(weight, w),
                                          none, {}, CodesOutput::real, policy);
        BOOST_TEST(y.data().data<float>()[0] == want);
        backward_from(y, Tensor::full({1, 1, 1, 1}, 1.0f));
        dx.push_back(x.grad());
        dw.push_back(w.grad());
    }
    BOOST_TEST(same_bits(dx[0], dx[1]));
    BOOST_TEST(same_bits(dw[0], dw[1]));
}

BOOST_AUTO_TEST_CASE(one_float_operand_makes_a_float_convolution) {
    const OnGrid g(cases()[0]);
    const Variable x(dequantize(g.x)), w(dequantize(g.w));
    const Tensor want = gradus::conv2d(x, w, Variable(), g.geometry.attrs).data();
    BOOST_TEST(same_bits(
        gradus::conv2d(Variable(Exact{{g.x}}), w, Variable(), g.geometry.attrs).data(), want));
    BOOST_TEST(same_bits(
        gradus::conv2d(x, Variable(Exact{{g.w}}), Variable(), g.geometry.attrs).data(), want));
    Exact clamped{{g.x}};
    clamped.lower = 0;
    const Tensor y =
        gradus::conv2d(Variable(clamped), Variable(Exact{{g.w}}), Variable(), g.geometry.attrs)
            .data();
    const Variable clamped_x(dequantize(clamped));
    BOOST_TEST(same_bits(y, gradus::conv2d(clamped_x, w, Variable(), g.geometry.attrs).data()));
}

BOOST_AUTO_TEST_CASE(a_float_bias_stays_beside_the_accumulators) {
    const OnGrid g(cases()[0]);
    const Variable x(Exact{{g.x}}), w(Exact{{g.w}}), bias(random_tensor({g.s.o}, 1));
    const auto run = [&](CodesOutput output) {
        return gradus::conv2d(x, w, bias, g.geometry.attrs, output);
    };
    const Variable acc = run(CodesOutput::accumulator);
    BOOST_REQUIRE(acc.exact() != nullptr);
    BOOST_TEST(same_bits(acc.exact()->terms[0].bias, bias.data()));
    BOOST_TEST(same_bits(acc.data(), run(CodesOutput::real).data()));
}

BOOST_AUTO_TEST_CASE(biases_that_do_not_fit_are_refused) {
    const OnGrid g(cases()[0]);
    const Variable x(Exact{{g.x}}), w(Exact{{g.w}});
    BOOST_TEST(throws(ErrorKind::runtime, {"conv2d", "s_x s_w", "channel 0"}, [&] {
        gradus::conv2d(x, w, int32_bias(Tensor::full({g.s.o}, 1)), g.geometry.attrs);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
