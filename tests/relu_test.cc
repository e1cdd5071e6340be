#include "tensor/kernels/relu.h"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "autograd/ops.h"
#include "tensor/cuda.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

// Both sides of 0 and of 6, more than one chunk of the loop, infinities and NaN.
Tensor edge_values() {
    const float tiny = std::numeric_limits<float>::denorm_min();
    const float infinity = std::numeric_limits<float>::infinity();
    Tensor x = random_tensor({70000}, 5, -3, 9);
    const std::vector<float> edges = {-1, -0.0f, 0, tiny, -tiny, 6, 6.5f, infinity, -infinity, NAN};
    std::copy(edges.begin(), edges.end(), x.data<float>());
    return x;
}

template <class Value>
std::vector<double> map_values(const std::vector<double>& x, const Value& value) {
    std::vector<double> y;
    for (double v : x) y.push_back(value(v));
    return y;
}

// Values of [-3, 9) at least 0.01 away from the kinks.
std::vector<double> away_from_kinks() {
    std::vector<double> x = gradcheck_values(60, -3, 9, 6);
    for (double& v : x) {
        if (std::abs(v) < 0.01 || std::abs(v - 6) < 0.01) v += 0.05;
    }
    return x;
}

// The four slots on one device, results on the CPU.
std::vector<Tensor> run_kernels(Device device) {
    const Tensor x = edge_values().to(device), dy = random_tensor({70000}, 7).to(device);
    std::vector<Tensor> results;
    const auto run = [&](const auto& forward, const auto& backward) {
        Tensor y = Tensor::empty(x.shape(), DType::F32, device);
        Tensor dx = Tensor::empty(x.shape(), DType::F32, device);
        forward(device, x.data<float>(), y.data<float>(), x.numel());
        backward(device, y.data<float>(), dy.data<float>(), dx.data<float>(), x.numel());
        results.push_back(y.to(Device::cpu()));
        results.push_back(dx.to(Device::cpu()));
    };
    run(relu_forward, relu_backward);
    run(relu6_forward, relu6_backward);
    return results;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(relu, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(matches_its_formula) {
    const Tensor x = edge_values();
    const Tensor y = gradus::relu(Variable(x)).data(), y6 = gradus::relu6(Variable(x)).data();
    for (int64_t i = 0; i < x.numel(); ++i) {
        const float v = x.data<float>()[i];
        if (std::isnan(v)) {
            BOOST_TEST((std::isnan(y.data<float>()[i]) && std::isnan(y6.data<float>()[i])));
        } else if (y.data<float>()[i] != std::max(v, 0.0f) ||
                   y6.data<float>()[i] != std::min(std::max(v, 0.0f), 6.0f)) {
            BOOST_ERROR("wrong at " << i << " for " << v);
        }
    }
}

BOOST_AUTO_TEST_CASE(golden_forward_and_backward) {
    const Variable x(golden("relu/x"), true), x6(golden("relu6/x"), true);
    const Variable y = gradus::relu(x), y6 = gradus::relu6(x6);
    backward_from(y, golden("relu/dy"));
    backward_from(y6, golden("relu6/dy"));
    BOOST_TEST(same_bits(y.data(), golden("relu/y")));
    BOOST_TEST(same_bits(x.grad(), golden("relu/dx")));
    BOOST_TEST(same_bits(y6.data(), golden("relu6/y")));
    BOOST_TEST(same_bits(x6.grad(), golden("relu6/dx")));
}

BOOST_AUTO_TEST_CASE(gradient_is_numeric) {
    const auto check_one = [](const auto& value, const auto& slope) {
        const GradcheckResult result =
            gradcheck([&](const Arrays& in) { return map_values(in[0], value); },
                      [&](const Arrays& in, const std::vector<double>& dy) {
                          Arrays dx(1);
                          for (size_t i = 0; i < dy.size(); ++i) {
                              dx[0].push_back(slope(value(in[0][i]), dy[i]));
                          }
                          return dx;
                      },
                      {away_from_kinks()});
        BOOST_TEST(result.worst < 1e-6, result.where);
    };
    check_one(relu_value<double>, relu_slope<double>);
    check_one(relu6_value<double>, relu6_slope<double>);
}

BOOST_AUTO_TEST_CASE(an_exact_value_is_clamped_without_touching_its_codes) {
    const Affine a = affine(random_codes<int8_t>({2, 2, 2, 9}, 1, -128, 127), 0.125f, -3);
    const Variable source(Exact{{a}});
    const Variable past = record("codes", source, {Variable(Tensor::zeros({1}), true)},
                                 [](const Tensor&) -> Grads { return {Tensor()}; });
    for (const bool six : {false, true}) {
        const Variable y = six ? gradus::relu6(past) : gradus::relu(past);
        const Variable floats(dequantize(a), true);
        const Variable want = six ? gradus::relu6(floats) : gradus::relu(floats);
        BOOST_REQUIRE(y.exact() != nullptr);
        BOOST_TEST(y.exact()->terms[0].codes.raw() == a.codes.raw());
        BOOST_TEST(y.exact()->lower == 0.0f);
        BOOST_TEST(same_bits(y.data(), want.data()));
    }
}

BOOST_AUTO_TEST_CASE(the_gradient_of_a_clamped_exact_value_is_that_of_its_float_view) {
    const Affine a = affine(random_codes<int32_t>({2, 2, 2, 9}, 1, -80, 80), 0.125f, 0);
    const Tensor dy = random_tensor({2, 2, 2, 9}, 2);
    for (const bool six : {false, true}) {
        // The exact value comes from an operator that passes gradients to a leaf of its shape.
        const Variable leaf(Tensor::zeros({2, 2, 2, 9}), true), floats(dequantize(a), true);
        const Variable x = record("codes", Variable(Exact{{a}}), {leaf},
                                  [](const Tensor& dx) -> Grads { return {dx}; });
        backward_from(six ? gradus::relu6(x) : gradus::relu(x), dy);
        backward_from(six ? gradus::relu6(floats) : gradus::relu(floats), dy);
        BOOST_TEST(same_bits(leaf.grad(), floats.grad()));
    }
}

BOOST_AUTO_TEST_CASE(clamps_of_exact_values_nest) {
    Exact value{{affine(random_codes<int8_t>({4, 9}, 1, -128, 127), 0.125f, 0)}};
    const Variable y = gradus::relu(gradus::relu6(Variable(value)));
    BOOST_TEST(y.exact()->lower == 0.0f);
    BOOST_TEST(y.exact()->upper == 6.0f);
}

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] { return run_kernels(Device::cpu()); }));
}

BOOST_AUTO_TEST_CASE(is_the_same_on_every_device) {
    if (cuda_device_count() == 0) {
        BOOST_TEST_MESSAGE("relu on cuda: not run, no GPU or no CUDA in this build");
        return;
    }
    const std::vector<Tensor> cpu = run_kernels(Device::cpu());
    const std::vector<Tensor> cuda = run_kernels(Device::cuda());
    for (size_t i = 0; i < cpu.size(); ++i) BOOST_TEST(same_bits(cuda[i], cpu[i]));
}

BOOST_AUTO_TEST_SUITE_END()
