// conv2d_tiles -- AVX2 and AVX-512 give the same bits: one chain of fused multiply-adds per sum.
#include "tensor/kernels/conv2d_tiles.h"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tensor/cpu.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

constexpr int64_t channels = 7, taps = 3;

Tensor gather(int64_t columns, bool avx512) {
    const Tensor x = random_tensor({taps * 6, channels}, 1), start = random_tensor({6, columns}, 3);
    const Tensor panel = random_tensor({taps, channels, columns}, 2);
    Tensor y = Tensor::empty({6, columns});
    std::array<const float*, taps * 6> pixel;
    std::array<const float*, 6> from;
    std::array<float*, 6> out;
    for (int64_t i = 0; i < taps * 6; ++i) pixel[i] = x.data<float>() + i * channels;
    for (int64_t i = 0; i < 6; ++i) {
        from[i] = start.data<float>() + i * columns;
        out[i] = y.data<float>() + i * columns;
    }
    multiply_gather_tile(
        {pixel.data(), taps, channels, panel.data<float>(), columns, from.data(), out.data()},
        avx512);
    return y;
}

// The chain, step by step.
Tensor gather_by_formula(int64_t columns) {
    const Tensor x = random_tensor({taps * 6, channels}, 1);
    const Tensor panel = random_tensor({taps, channels, columns}, 2);
    Tensor y = random_tensor({6, columns}, 3);
    for (int64_t at = 0; at < y.numel(); ++at) {
        for (int64_t k = 0; k < taps * channels; ++k) {
            const int64_t tap = k / channels, i = at / columns;
            y.data<float>()[at] =
                std::fma(x.data<float>()[(tap * 6 + i) * channels + k % channels],
                         panel.data<float>()[k * columns + at % columns], y.data<float>()[at]);
        }
    }
    return y;
}

Tensor weight(int64_t rows, int64_t columns, bool avx512) {
    const Tensor x = random_tensor({11, rows}, 1), dy = random_tensor({11, columns}, 2);
    Tensor sum = random_tensor({rows, columns}, 3);
    multiply_weight_tile(
        {x.data<float>(), rows, dy.data<float>(), columns, 11, sum.data<float>(), columns, columns},
        rows, avx512);
    return sum;
}

Tensor weight_by_formula(int64_t rows, int64_t columns) {
    const Tensor x = random_tensor({11, rows}, 1), dy = random_tensor({11, columns}, 2);
    Tensor sum = random_tensor({rows, columns}, 3);
    for (int64_t at = 0; at < sum.numel(); ++at) {
        for (int64_t p = 0; p < 11; ++p) {
            sum.data<float>()[at] =
                std::fma(x.data<float>()[p * rows + at / columns],
                         dy.data<float>()[p * columns + at % columns], sum.data<float>()[at]);
        }
    }
    return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conv2d_tiles, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_width_is_the_same_chain) {
    for (const bool avx512 : {false, true}) {
        if (avx512 && !cpu_has_avx512()) continue;
        for (const int64_t columns : {16, 32, 48, 64}) {
            BOOST_TEST_CONTEXT("avx512 " << avx512 << " columns " << columns) {
                BOOST_TEST(same_bits(gather(columns, avx512), gather_by_formula(columns)));
                for (const int64_t rows : {1, 2, 4, 6}) {
                    BOOST_TEST(
                        same_bits(weight(rows, columns, avx512), weight_by_formula(rows, columns)));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
