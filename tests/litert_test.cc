// Vectors of LiteRT's own kernels (tests/golden/make_litert.py): the reference ones, which the row
// tflite follows, and the XNNPACK delegate's.
#include <boost/test/unit_test.hpp>

#include "quant/requantize_exact.h"
#include "tensor/kernels/max_pool.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

Tensor vectors(const std::string& name) {
    return golden("litert/" + name);
}

const std::pair<const char*, const char*> rows[] = {{"tflite", "reference"},
                                                    {"xnnpack", "xnnpack"}};

int64_t wrong_means(PoolRule rule, const std::string& kernels) {
    const Tensor sums = vectors("mean_sums"), cases = vectors("mean_cases");
    const Tensor y = vectors("mean_" + kernels);
    int64_t wrong = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
        const int32_t* row = cases.data<int32_t>() + i / y.shape()[1] * 2;
        const AverageConstants k = average_constants(rule, 0.0371f, row[0]);
        const int32_t sum = sums.data<int32_t>()[i];
        wrong += average_code(rule, sum, row[0], k, row[1], -128, 127) != y.data<int8_t>()[i];
    }
    return wrong;
}

Grid grid_of(float scale, int32_t zero_point) {
    return {Tensor::full({1}, scale), Tensor::from<int32_t>({zero_point}, {1}), {}};
}

PoolAttrs windows() {
    PoolAttrs attrs{3, 3, 2, 2, 1, 1, 1, 1};
    attrs.count_include_pad = false;
    return attrs;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(litert, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(means_equal_each_kernel) {
    const PoolRule rules[] = {PoolRule::real,    PoolRule::mean,      PoolRule::mean_single,
                              PoolRule::xnnpack, PoolRule::half_away, PoolRule::truncated};
    for (const auto& [hardware, kernels] : rows) {
        for (const PoolRule rule : rules) {
            const int64_t wrong = wrong_means(rule, kernels);
            BOOST_TEST_MESSAGE(kernels << " by " << rule_name(rule) << ": " << wrong);
            BOOST_TEST((wrong == 0) == (rule == find_hardware(hardware).mean),
                       kernels << " by " << rule_name(rule));
        }
    }
}

BOOST_AUTO_TEST_CASE(windows_with_a_border_equal_both_kernels) {
    const Tensor x = vectors("pool_x");
    const PoolShape shape = pool_shape("test", x.shape(), windows());
    Tensor greatest = Tensor::empty(shape.output(), x.dtype());
    max_pool_forward(Device::cpu(), shape, x.dtype(), x.raw(), greatest.raw());
    BOOST_TEST(same_bits(greatest, vectors("max_pool_2d")));
    const Grid grid = grid_of(0.1f, 3);
    for (const auto& [hardware, kernels] : rows) {
        const Hardware& row = find_hardware(hardware);
        const Affine y = requantize_windows(row.window, {x, grid.scale, grid.zero_point}, shape,
                                            grid, row.activation);
        BOOST_TEST(same_bits(y.codes, vectors("average_pool_2d")), hardware);
    }
}

BOOST_AUTO_TEST_CASE(the_code_of_6_equals_each_kernel) {
    const Tensor scales = vectors("relu6_scales"), zeros = vectors("relu6_zero_points");
    for (const auto& [hardware, kernels] : rows) {
        const Tensor y = vectors(std::string("relu6_") + kernels);
        const Hardware& row = find_hardware(hardware);
        int64_t wrong = 0;
        for (int64_t i = 0; i < y.numel(); ++i) {
            const Grid grid = grid_of(scales.data<float>()[i], zeros.data<int32_t>()[i]);
            wrong += clamp_bounds(row, 0.0f, 6.0f, grid, row.activation).hi != y.data<int8_t>()[i];
        }
        BOOST_TEST(wrong == 0, hardware << ": " << wrong << " of " << y.numel());
    }
}

BOOST_AUTO_TEST_SUITE_END()
