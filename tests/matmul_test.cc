#include "tensor/kernels/matmul.h"

#include <boost/test/unit_test.hpp>

#include "tensor/cuda.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

Shape stored(bool transposed, int64_t rows, int64_t columns) {
    return transposed ? Shape{columns, rows} : Shape{rows, columns};
}

std::vector<double> wide(const Tensor& t, bool absolute = false) {
    const std::vector<float> values = t.to_vector<float>();
    std::vector<double> result(values.begin(), values.end());
    for (double& v : result) v = absolute ? std::abs(v) : v;
    return result;
}

struct Operands {
    MatmulShape shape;
    Tensor a, b;
    explicit Operands(const MatmulShape& s)
        : shape(s),
          a(random_tensor(stored(s.transpose_a, s.m, s.k), 1)),
          b(random_tensor(stored(s.transpose_b, s.k, s.n), 2)) {}
};

Tensor multiply(const Operands& o, Device device) {
    const Tensor a = o.a.to(device), b = o.b.to(device);
    Tensor c = Tensor::empty({o.shape.m, o.shape.n}, DType::F32, device);
    gradus::matmul(device, o.shape, a.data<float>(), b.data<float>(), c.data<float>());
    return c.to(Device::cpu());
}

// The documented bound, against the readable product in double.
bool within_bound(const Operands& o, const Tensor& c) {
    std::vector<double> exact(c.numel()), magnitude(c.numel());
    matmul_readable(o.shape, wide(o.a).data(), wide(o.b).data(), exact.data());
    matmul_readable(o.shape, wide(o.a, true).data(), wide(o.b, true).data(), magnitude.data());
    for (int64_t i = 0; i < c.numel(); ++i) {
        const double bound = static_cast<double>(o.shape.k) * 0x1p-23 * magnitude[i];
        if (!(std::abs(c.data<float>()[i] - exact[i]) <= bound)) return false;
    }
    return true;
}

// Single numbers, tails of every tile, several blocks.
std::vector<MatmulShape> shapes() {
    std::vector<MatmulShape> result;
    for (const bool ta : {false, true}) {
        for (const bool tb : {false, true}) {
            result.push_back({1, 1, 1, ta, tb});
            result.push_back({3, 17, 5, ta, tb});
            result.push_back({64, 32, 257, ta, tb});
            result.push_back({300, 270, 33, ta, tb});
        }
    }
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(matmul, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(a_product_by_hand) {
    const Tensor a = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
    const Tensor b = Tensor::from<float>({1, 0, 2, 0, 1, 3}, {2, 3});
    Tensor c = Tensor::empty({2, 2});
    gradus::matmul(Device::cpu(), {2, 2, 3, false, true}, a.data<float>(), b.data<float>(),
                   c.data<float>());
    BOOST_TEST(c.to_vector<float>() == (std::vector<float>{7, 11, 16, 23}));
}

BOOST_AUTO_TEST_CASE(every_device_keeps_the_bound) {
    for (const MatmulShape& s : shapes()) {
        const Operands o(s);
        BOOST_TEST_CONTEXT("m " << s.m << " n " << s.n << " k " << s.k << ' ' << s.transpose_a
                                << s.transpose_b) {
            BOOST_TEST(within_bound(o, multiply(o, Device::cpu())));
            if (cuda_device_count() > 0) {
                BOOST_TEST(within_bound(o, multiply(o, Device::cuda())));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(an_empty_sum_is_zero) {
    Tensor c = Tensor::full({2, 3}, 7);
    gradus::matmul(Device::cpu(), {2, 3, 0}, nullptr, nullptr, c.data<float>());
    BOOST_TEST(same_bits(c, Tensor::zeros({2, 3})));
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
    const Operands o({700, 300, 100, false, true});
    BOOST_TEST(same_with_threads([&] { return std::vector<Tensor>{multiply(o, Device::cpu())}; }));
}

BOOST_AUTO_TEST_SUITE_END()
