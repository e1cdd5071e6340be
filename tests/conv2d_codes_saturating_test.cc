// conv2d_codes_saturating -- the emulated accumulators equal those of the real instructions, and
// the exact ones if nothing saturates.
#include "tensor/kernels/conv2d_codes_saturating.h"

#include <immintrin.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <numeric>

#include "tensor/check.h"
#include "tensor/rng.h"
#include "tests/conv2d_cases.h"

using namespace gradus;

namespace {

using Policy = AccumulatorPolicy;

// Codes as int, drawn from [lo, hi].
struct Range {
    int lo, hi;
};

std::vector<uint8_t> draw(int64_t n, Range range, uint64_t seed) {
    const Rng rng(seed);
    std::vector<uint8_t> codes(n);
    for (int64_t i = 0; i < n; ++i) {
        codes[i] = static_cast<uint8_t>(range.lo + rng.below(i, range.hi - range.lo + 1));
    }
    return codes;
}

std::vector<int32_t> run(ConvCodes conv, Policy policy, IntegerKernel kernel) {
    conv.policy = policy;
    std::vector<int32_t> y(conv.shape.output().numel(), -7);
    conv2d_codes(Device::cpu(), conv, kernel, [&](int64_t row, int64_t rows, const int32_t* acc) {
        std::copy_n(acc, rows * conv.shape.o, y.data() + row * conv.shape.o);
    });
    return y;
}

// A convolution in u8 and s8 codes, converted to the requested signedness.
struct Problem {
    std::vector<uint8_t> x, w;
    std::vector<int32_t> w_zero_point, bias;
    ConvCodes conv;

    Problem(const ConvCase& c, std::vector<uint8_t> u8, int32_t zx, std::vector<uint8_t> s8,
            std::vector<int32_t> zw, std::vector<int32_t> b, bool x_signed = false,
            bool w_signed = true)
        : x(std::move(u8)), w(std::move(s8)), w_zero_point(std::move(zw)), bias(std::move(b)) {
        for (uint8_t& q : x) q ^= x_signed ? 0x80 : 0;
        for (uint8_t& q : w) q ^= w_signed ? 0 : 0x80;
        for (int32_t& z : w_zero_point) z += w_signed ? 0 : 128;
        conv = {x.data(),    x_signed, zx - (x_signed ? 128 : 0),
                w.data(),    w_signed, w_zero_point.data(),
                bias.data(), c.shape()};
    }
};

Problem draw_problem(const ConvCase& c, Range a, Range b, bool x_signed = false,
                     bool w_signed = true) {
    const Rng rng(3);
    std::vector<int32_t> zw, bias;
    for (int64_t o = 0; o < c.w[0]; ++o) {
        zw.push_back(static_cast<int32_t>(rng.below(2 * o, 256)) - 128);
        bias.push_back(static_cast<int32_t>(rng.below(2 * o + 1, 200001)) - 100000);
    }
    return Problem(c, draw(c.x.numel(), a, 1), a.lo + (a.hi - a.lo) / 3, draw(c.w.numel(), b, 2),
                   zw, bias, x_signed, w_signed);
}

void check_equals_exact(const Problem& p, Policy policy) {
    const std::vector<int32_t> exact = run(p.conv, Policy::exact, IntegerKernel::readable);
    for (IntegerKernel kernel : integer_kernels()) {
        BOOST_TEST(run(p.conv, policy, kernel) == exact);
    }
    BOOST_TEST(run(p.conv, policy, IntegerKernel::fastest) == exact);
}

int32_t dot(Policy policy, const std::vector<uint8_t>& a, const std::vector<int8_t>& b) {
    return saturating_sum(policy, a.data(), b.data(), static_cast<int64_t>(a.size()));
}

// The formula of the header, window by window, from operands in u8 and s8.
std::vector<int32_t> by_formula(const Problem& p, Policy policy) {
    const Conv2dShape& s = p.conv.shape;
    const int32_t zx = p.conv.x_zero_point;
    std::vector<int32_t> y;
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t o = i % s.o, ow = i / s.o % s.ow, oh = i / s.o / s.ow % s.oh;
        const int64_t n = i / s.o / s.ow / s.oh;
        std::vector<uint8_t> a;
        for (int64_t k = 0; k < s.k(); ++k) {
            const int64_t c = o / s.group_out() * s.group_in() + k % s.group_in();
            const int64_t at = k / s.group_in();
            const int64_t ih = oh * s.attrs.stride_h - s.attrs.pad_top + at / s.kw;
            const int64_t iw = ow * s.attrs.stride_w - s.attrs.pad_left + at % s.kw;
            const bool inside = ih >= 0 && ih < s.h && iw >= 0 && iw < s.w;
            a.push_back(inside ? p.x[((n * s.h + ih) * s.w + iw) * s.c + c] : zx);
        }
        const std::vector<int8_t> b(p.w.begin() + o * s.k(), p.w.begin() + (o + 1) * s.k());
        const int32_t zw = p.w_zero_point[o], length = static_cast<int32_t>(s.k());
        y.push_back(dot(policy, a, b) - zx * std::accumulate(b.begin(), b.end(), 0) -
                    zw * std::accumulate(a.begin(), a.end(), 0) + length * zx * zw + p.bias[o]);
    }
    return y;
}

__m128i two_bytes(const void* from) {
    uint16_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return _mm_cvtsi32_si128(bytes);
}

// Runs one pair at a time through the instructions, in the lowest lane; k is even.
int32_t by_instructions(Policy policy, const uint8_t* a, const int8_t* b, int64_t k) {
    __m128i sum = _mm_setzero_si128(), sum16 = sum;
    const __m128i ones = _mm_set1_epi16(1);
    for (int64_t i = 0; i < k; i += 2) {
        const __m128i pair = _mm_maddubs_epi16(two_bytes(a + i), two_bytes(b + i));
        if (policy == Policy::pairs16) {
            sum = _mm_add_epi32(sum, _mm_madd_epi16(pair, ones));
            continue;
        }
        sum16 = _mm_adds_epi16(sum16, pair);
        if (i % 256 == 254 || i + 2 == k) {
            sum = _mm_add_epi32(sum, _mm_cvtepi16_epi32(sum16));
            sum16 = _mm_setzero_si128();
        }
    }
    return _mm_cvtsi128_si32(sum);
}

const bool signs[] = {false, true};

}  // namespace

BOOST_AUTO_TEST_SUITE(conv2d_codes_saturating_accumulators, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(pairs_by_hand) {
    const Policy pairs = Policy::pairs16;
    BOOST_TEST(dot(pairs, {255, 255}, {-65, -65}) == -32768);  // -33150
    BOOST_TEST(dot(pairs, {255, 255}, {127, 127}) == 32767);   // 64770
    BOOST_TEST(dot(pairs, {255, 255}, {-64, -64}) == -32640);
    BOOST_TEST(dot(pairs, {127, 127}, {-128, -128}) == -32512);
    BOOST_TEST(dot(pairs, {255, 255, 255, 255}, {-65, -65, 64, 64}) == -32768 + 32640);
    BOOST_TEST(dot(pairs, {1, 255, 255, 1}, {-65, -65, -65, -65}) == 2 * -16640);  // pairs apart
    BOOST_TEST(dot(pairs, {255, 255, 255}, {-65, -65, -65}) == -32768 - 16575);    // odd
    BOOST_TEST(dot(pairs, {255, 255, 255, 255}, {64, 64, 64, 64}) == 2 * 32640);
}

BOOST_AUTO_TEST_CASE(acc16_by_hand) {
    const Policy acc16 = Policy::acc16;
    BOOST_TEST(dot(acc16, {255, 255}, {-65, -65}) == -32768);
    BOOST_TEST(dot(acc16, {255, 255, 255, 255}, {64, 64, 64, 64}) == 32767);
    // Saturation loses information, so the order matters.
    BOOST_TEST(dot(acc16, {255, 255, 255, 255, 10, 0}, {64, 64, 64, 64, -1, 0}) == 32767 - 10);
    BOOST_TEST(dot(acc16, {10, 0, 255, 255, 255, 255}, {-1, 0, 64, 64, 64, 64}) == 32767);
    const std::vector<uint8_t> a(513, 255);
    const std::vector<int8_t> b(513, 64);
    BOOST_TEST(dot(acc16, a, b) == 2 * 32767 + 255 * 64);  // two full runs of 256 and a third
    BOOST_TEST(dot(Policy::pairs16, a, b) == 513 * 255 * 64);
}

BOOST_AUTO_TEST_CASE(the_instructions_give_the_same) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        for (int64_t k : {2, 16, 254, 256, 258, 700}) {
            const std::vector<uint8_t> a = draw(k, {seed % 2 ? 0 : 200, 255}, 10 + seed);
            const std::vector<uint8_t> w = draw(k, {-128, seed % 3 ? 127 : -60}, 100 + seed);
            const std::vector<int8_t> b(w.begin(), w.end());
            for (Policy policy : {Policy::pairs16, Policy::acc16}) {
                BOOST_TEST(dot(policy, a, b) == by_instructions(policy, a.data(), b.data(), k));
            }
        }
    }
}

// x [255, 255] w [-65, -65]: -32768 - zx (-130) - zw 510 + 2 zx zw + bias.
BOOST_AUTO_TEST_CASE(zero_points_are_taken_off_after_saturation) {
    const ConvCase c{{1, 1, 1, 2}, {1, 1, 1, 2}, {}};
    const uint8_t minus_65 = static_cast<uint8_t>(-65);
    for (bool x_signed : signs) {
        for (bool w_signed : signs) {
            const Problem p(c, {255, 255}, 3, {minus_65, minus_65}, {5}, {1}, x_signed, w_signed);
            for (Policy policy : {Policy::pairs16, Policy::acc16}) {
                const int32_t y = run(p.conv, policy, IntegerKernel::fastest)[0];
                BOOST_TEST(y == -32768 + 3 * 130 - 5 * 510 + 2 * 15 + 1);
            }
            BOOST_TEST(run(p.conv, Policy::exact, IntegerKernel::fastest)[0] ==
                       2 * (252 * -70) + 1);
        }
    }
}

// A 1x3 window with one pixel of code 255 between padding of the same code: all real 0, but the
// first pair saturates: -32768 + 255 - 255 (-129).
BOOST_AUTO_TEST_CASE(padding_takes_part) {
    const ConvCase c{{1, 1, 1, 1}, {1, 1, 3, 1}, {1, 1, 0, 1, 0, 1, 1}};
    const uint8_t minus_65 = static_cast<uint8_t>(-65);
    for (bool x_signed : signs) {
        const Problem p(c, {255}, 255, {minus_65, minus_65, 1}, {0}, {0}, x_signed);
        BOOST_TEST(run(p.conv, Policy::pairs16, IntegerKernel::fastest)[0] == 382);
        BOOST_TEST(run(p.conv, Policy::exact, IntegerKernel::fastest)[0] == 0);
    }
}

BOOST_AUTO_TEST_CASE(pairs_equal_exact_with_reduced_range) {
    std::vector<ConvCase> cases = small_conv_cases();
    for (const ConvCase& c : wide_conv_cases()) cases.push_back(c);
    for (const ConvCase& c : cases) {
        BOOST_TEST_CONTEXT(c) {
            for (bool x_signed : signs) {
                for (bool w_signed : signs) {
                    for (const auto& [a, b] :
                         {std::pair<Range, Range>{{0, 255}, {-64, 64}}, {{0, 127}, {-128, 127}}}) {
                        check_equals_exact(draw_problem(c, a, b, x_signed, w_signed),
                                           Policy::pairs16);
                    }
                }
            }
        }
    }
}

// 256 products of 127 fit 16 bits; without spilling to 32 bits, 700 of them would not.
BOOST_AUTO_TEST_CASE(acc16_equals_exact_while_runs_fit) {
    const ConvCase c{{2, 3, 3, 77}, {5, 3, 3, 77}, {1, 1, 1, 1, 1, 1, 1}};
    check_equals_exact(draw_problem(c, {0, 127}, {-1, 1}), Policy::acc16);
    check_equals_exact(draw_problem(c, {120, 127}, {1, 1}), Policy::acc16);
}

BOOST_AUTO_TEST_CASE(full_ranges_differ_alike_in_every_kernel) {
    for (const ConvCase& c : wide_conv_cases()) {
        if (c.shape().k() < 64) continue;
        const Problem p = draw_problem(c, {0, 255}, {-128, 127});
        const auto exact = run(p.conv, Policy::exact, IntegerKernel::readable);
        const auto pairs = run(p.conv, Policy::pairs16, IntegerKernel::readable);
        const auto acc16 = run(p.conv, Policy::acc16, IntegerKernel::readable);
        BOOST_TEST_CONTEXT(c) {
            BOOST_TEST((pairs != exact));
            BOOST_TEST((acc16 != pairs));
            for (IntegerKernel kernel : integer_kernels()) {
                BOOST_TEST(run(p.conv, Policy::pairs16, kernel) == pairs);
                BOOST_TEST(run(p.conv, Policy::acc16, kernel) == acc16);
            }
        }
    }
}

// Saturation depends on the order of neighbours: (kh, kw, c) of the group, padding included.
BOOST_AUTO_TEST_CASE(windows_are_read_in_order) {
    for (const ConvCase& c : small_conv_cases()) {
        const Problem p = draw_problem(c, {0, 255}, {-128, 127});
        BOOST_TEST_CONTEXT(c) {
            for (Policy policy : {Policy::pairs16, Policy::acc16}) {
                BOOST_TEST(run(p.conv, policy, IntegerKernel::fastest) == by_formula(p, policy));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(padding_needs_a_code) {
    const ConvCase c{{1, 1, 1, 2}, {1, 1, 1, 2}, {}};
    for (int32_t zx : {-1, 256}) {
        Problem p(c, {1, 2}, zx, {3, 4}, {0}, {0});
        BOOST_CHECK_THROW(run(p.conv, Policy::acc16, IntegerKernel::fastest), Error);
        BOOST_CHECK_NO_THROW(run(p.conv, Policy::exact, IntegerKernel::fastest));
    }
}

BOOST_AUTO_TEST_SUITE_END()
