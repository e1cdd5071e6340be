#include "tensor/kernels/conv2d.h"

#include <boost/test/unit_test.hpp>

#include "autograd/ops.h"
#include "tests/compare.h"
#include "tests/conv2d_cases.h"
#include "tests/files.h"

using namespace gradus;

namespace {

std::vector<ConvCase> all_cases() {
    std::vector<ConvCase> cases = small_conv_cases();
    for (const ConvCase& c : wide_conv_cases()) cases.push_back(c);
    return cases;
}

GradcheckResult numeric_gradient(const Conv2dShape& s) {
    const int64_t x = s.n * s.h * s.w * s.c, w = s.o * s.k(), y = s.output().numel();
    const auto forward = [&](const Arrays& in) {
        std::vector<double> result(y);
        conv2d_forward_readable(in[0].data(), in[1].data(), in[2].data(), result.data(), s);
        return result;
    };
    const auto backward = [&](const Arrays& in, const std::vector<double>& dy) -> Arrays {
        std::vector<double> dx(x), dw(w), dbias(s.o);
        conv2d_backward_input_readable(dy.data(), in[1].data(), dx.data(), s);
        conv2d_backward_weight_readable(in[0].data(), dy.data(), dw.data(), s);
        conv2d_backward_bias_readable(dy.data(), dbias.data(), y / s.o, s.o);
        return {dx, dw, dbias};
    };
    return gradcheck(forward, backward,
                     {gradcheck_values(x, -1, 1, 1), gradcheck_values(w, -1, 1, 2),
                      gradcheck_values(s.o, -1, 1, 3)});
}

std::vector<double> wide(const Tensor& t, bool absolute) {
    const std::vector<float> values = t.to_vector<float>();
    std::vector<double> result(values.begin(), values.end());
    for (double& v : result) v = absolute ? std::abs(v) : v;
    return result;
}

// |got - exact| <= count eps sum |a b|, the bound of the header.
bool within_bound(const Tensor& got, const std::vector<double>& exact,
                  const std::vector<double>& magnitude, int64_t count) {
    for (int64_t i = 0; i < got.numel(); ++i) {
        const double error = std::abs(got.data<float>()[i] - exact[i]);
        if (!(error <= static_cast<double>(count + 1) * 0x1p-23 * magnitude[i])) {
            std::cerr << "element " << i << ": got " << got.data<float>()[i] << ", want "
                      << exact[i] << '\n';
            return false;
        }
    }
    return true;
}

struct Passes {
    Tensor y, dx, dw, dbias;
};

struct Operands {
    Conv2dShape s;
    Tensor x, w, bias, dy;
    explicit Operands(const ConvCase& c)
        : s(c.shape()),
          x(random_tensor(c.x, 1)),
          w(random_tensor(c.w, 2)),
          bias(random_tensor({s.o}, 3)),
          dy(random_tensor(s.output(), 4)) {}

    Passes fast() const {
        Passes p{Tensor::full(s.output(), NAN), Tensor::full(x.shape(), NAN),
                 Tensor::full(w.shape(), NAN), Tensor::full({s.o}, NAN)};
        const Device cpu = Device::cpu();
        conv2d_forward(cpu, x.data<float>(), w.data<float>(), bias.data<float>(), p.y.data<float>(),
                       s);
        conv2d_backward_input(cpu, dy.data<float>(), w.data<float>(), p.dx.data<float>(), s);
        conv2d_backward_weight(cpu, x.data<float>(), dy.data<float>(), p.dw.data<float>(), s);
        conv2d_backward_bias(cpu, dy.data<float>(), p.dbias.data<float>(), s.n * s.oh * s.ow, s.o);
        return p;
    }

    Arrays readable(bool absolute) const {
        const auto x_ = wide(x, absolute), w_ = wide(w, absolute), dy_ = wide(dy, absolute);
        const auto bias_ = wide(bias, absolute);
        Arrays r{std::vector<double>(dy_.size()), std::vector<double>(x_.size()),
                 std::vector<double>(w_.size()), std::vector<double>(s.o)};
        conv2d_forward_readable(x_.data(), w_.data(), bias_.data(), r[0].data(), s);
        conv2d_backward_input_readable(dy_.data(), w_.data(), r[1].data(), s);
        conv2d_backward_weight_readable(x_.data(), dy_.data(), r[2].data(), s);
        conv2d_backward_bias_readable(dy_.data(), r[3].data(), s.n * s.oh * s.ow, s.o);
        return r;
    }
};

// dw from codes, and from the codes' floats.
template <class Code>
void check_weight_gradient_of_codes(const ConvCase& c, int low, int high, int32_t zero_point) {
    const Operands o(c);
    const float scale = 0.037f;
    const Tensor codes = random_codes<Code>(c.x, 9, low, high);
    const Tensor x = dequantize(affine(codes, scale, zero_point));
    Tensor dw = Tensor::full(c.w, NAN);
    const CodesOperand operand{codes.raw(), codes.dtype() == DType::I8, zero_point, scale};
    conv2d_backward_weight_codes(Device::cpu(), operand, o.dy.data<float>(), dw.data<float>(), o.s);
    Arrays r[2];
    for (const bool absolute : {false, true}) {
        r[absolute].emplace_back(dw.numel());
        conv2d_backward_weight_readable(wide(x, absolute).data(), wide(o.dy, absolute).data(),
                                        r[absolute][0].data(), o.s);
    }
    BOOST_TEST(within_bound(dw, r[0][0], r[1][0], o.s.n * o.s.oh * o.s.ow));
}

struct Golden {
    const char* name;
    Conv2dAttrs attrs;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(conv2d, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(readable_gradients_are_numeric) {
    for (const ConvCase& c : small_conv_cases()) {
        const GradcheckResult result = numeric_gradient(c.shape());
        BOOST_TEST_CONTEXT(c << ": " << result.where) {
            BOOST_TEST(result.worst < 1e-6);
        }
    }
}

BOOST_AUTO_TEST_CASE(fast_kernels_keep_the_bound) {
    for (const ConvCase& c : all_cases()) {
        const Operands o(c);
        const Passes p = o.fast();
        const Arrays exact = o.readable(false), size = o.readable(true);
        const int64_t rows = o.s.n * o.s.oh * o.s.ow;
        BOOST_TEST_CONTEXT(c) {
            BOOST_TEST(within_bound(p.y, exact[0], size[0], o.s.k() + 1), "y");
            BOOST_TEST(within_bound(p.dx, exact[1], size[1], o.s.kh * o.s.kw * o.s.group_out()),
                       "dx");
            BOOST_TEST(within_bound(p.dw, exact[2], size[2], rows), "dw");
            BOOST_TEST(within_bound(p.dbias, exact[3], size[3], rows), "dbias");
        }
    }
}

BOOST_AUTO_TEST_CASE(without_a_bias) {
    const Operands o(wide_conv_cases()[0]);
    Tensor with = Tensor::empty(o.s.output()), without = Tensor::empty(o.s.output());
    const Tensor zero = Tensor::zeros({o.s.o});
    for (const auto& [bias, y] : {std::pair(zero.data<float>(), &with),
                                  std::pair(static_cast<const float*>(nullptr), &without)}) {
        conv2d_forward(Device::cpu(), o.x.data<float>(), o.w.data<float>(), bias, y->data<float>(),
                       o.s);
    }
    BOOST_TEST(close(without, with, 1e-6));
}

BOOST_AUTO_TEST_CASE(weight_gradient_of_codes) {
    for (const ConvCase& c : all_cases()) {
        BOOST_TEST_CONTEXT(c) {
            check_weight_gradient_of_codes<uint8_t>(c, 0, 255, 119);
            check_weight_gradient_of_codes<int8_t>(c, -128, 127, -7);
        }
    }
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
    for (const ConvCase& c : wide_conv_cases()) {
        BOOST_TEST_CONTEXT(c) {
            BOOST_TEST(same_with_threads([o = Operands(c)] {
                const Passes p = o.fast();
                return std::vector<Tensor>{p.y, p.dx, p.dw, p.dbias};
            }));
        }
    }
}

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Golden cases[] = {
        {"resnet", {1, 1, 1, 1, 1, 1, 1}},  {"downsample", {2, 2, 0, 0, 0, 0, 1}},
        {"stem", {2, 2, 3, 3, 3, 3, 1}},    {"uneven", {2, 1, 0, 2, 1, 0, 1}},
        {"grouped", {1, 1, 1, 1, 1, 1, 4}}, {"depthwise", {2, 2, 1, 1, 1, 1, 10}}};
    for (const Golden& c : cases) {
        const std::string at = std::string("conv2d/") + c.name + '/';
        const Variable x(golden(at + "x"), true), w(golden(at + "w"), true);
        const Variable bias(golden(at + "bias"), true);
        const Variable y = gradus::conv2d(x, w, bias, c.attrs);
        backward_from(y, golden(at + "dy"));
        BOOST_TEST_CONTEXT(c.name) {
            BOOST_TEST(close(y.data(), golden(at + "y"), 1e-5));
            BOOST_TEST(close(x.grad(), golden(at + "dx"), 1e-5));
            BOOST_TEST(close(w.grad(), golden(at + "dw"), 1e-5));
            BOOST_TEST(close(bias.grad(), golden(at + "dbias"), 1e-5));
        }
    }
}

BOOST_AUTO_TEST_CASE(only_wanted_gradients_are_computed) {
    const Variable image(random_tensor({1, 4, 4, 2}, 1));
    const Variable frozen(random_tensor({3, 3, 3, 2}, 2)), w(frozen.data().clone(), true);
    const Variable y = gradus::conv2d(image, w, Variable(), {});
    backward_from(y, random_tensor(y.shape(), 3));
    BOOST_TEST(w.grad().defined());
    BOOST_TEST(!gradus::conv2d(image, frozen, Variable(), {}).requires_grad());
}

BOOST_AUTO_TEST_CASE(bad_shapes_are_refused) {
    const Variable x(random_tensor({1, 4, 4, 2}, 1)), w(random_tensor({3, 3, 3, 2}, 2));
    const Variable narrow(random_tensor({3, 3, 3, 1}, 2)), bias(random_tensor({4}, 3));
    BOOST_TEST(throws(ErrorKind::runtime, {"conv2d", "channels"},
                      [&] { gradus::conv2d(x, narrow, Variable(), {}); }));
    BOOST_TEST(throws(ErrorKind::runtime, {"conv2d: bias must be [3]", "[4]"},
                      [&] { gradus::conv2d(x, w, bias, {}); }));
}

BOOST_AUTO_TEST_SUITE_END()
