// conv2d_codes -- every kernel gives the same accumulators, bit for bit.
#include "tensor/kernels/conv2d_codes.h"

#include <boost/test/unit_test.hpp>

#include "tensor/parallel.h"
#include "tensor/rng.h"
#include "tests/conv2d_cases.h"

using namespace gradus;

namespace {

// Draws codes over the whole range, or only from its two ends.
enum class Draw { whole, ends };

std::vector<uint8_t> draw_codes(int64_t n, Draw draw, uint64_t seed) {
    const Rng rng(seed);
    std::vector<uint8_t> codes(n);
    const uint8_t ends[] = {0, 255, 127, 128};  // the extremes of both signednesses
    for (int64_t i = 0; i < n; ++i) {
        codes[i] = draw == Draw::whole ? rng.below(i, 256) : ends[rng.below(i, 4)];
    }
    return codes;
}

struct Problem {
    ConvCase geometry;
    std::vector<uint8_t> x, w;
    std::vector<int32_t> w_zero_point, bias;
    ConvCodes conv;

    Problem(const ConvCase& c, Draw draw, bool x_signed, int32_t zx, bool w_signed)
        : geometry(c), x(draw_codes(c.x.numel(), draw, 1)), w(draw_codes(c.w.numel(), draw, 2)) {
        const Rng rng(3);
        for (int64_t o = 0; o < c.w[0]; ++o) {
            bias.push_back(static_cast<int32_t>(rng.below(o, 200001)) - 100000);
        }
        conv = {x.data(), x_signed, zx, w.data(), w_signed, nullptr, bias.data(), c.shape()};
    }

    const int32_t* draw_zero_points() {
        const Rng rng(4);
        for (int64_t o = 0; o < conv.shape.o; ++o) {
            w_zero_point.push_back(static_cast<int32_t>(rng.below(o, 256)) -
                                   (conv.w_signed ? 128 : 0));
        }
        return w_zero_point.data();
    }

    std::vector<int32_t> run(IntegerKernel kernel) const {
        std::vector<int32_t> y(conv.shape.output().numel(), -7);
        std::vector<int> written(conv.shape.n * conv.shape.oh * conv.shape.ow);
        conv2d_codes(Device::cpu(), conv, kernel,
                     [&](int64_t row, int64_t rows, const int32_t* acc) {
                         std::copy_n(acc, rows * conv.shape.o, y.data() + row * conv.shape.o);
                         for (int64_t r = row; r < row + rows; ++r) ++written[r];
                     });
        BOOST_TEST(std::count(written.begin(), written.end(), 1) ==
                   static_cast<int64_t>(written.size()));
        return y;
    }
};

// The formula of the header, sum by sum in 64 bits, with padding as real codes.
std::vector<int32_t> by_formula(const Problem& p) {
    const Conv2dShape& s = p.conv.shape;
    std::vector<int32_t> y;
    const auto x_at = [&](int64_t n, int64_t ih, int64_t iw, int64_t c) -> int64_t {
        if (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w) return p.conv.x_zero_point;
        const uint8_t q = p.x[((n * s.h + ih) * s.w + iw) * s.c + c];
        return p.conv.x_signed ? static_cast<int8_t>(q) : q;
    };
    for (int64_t i = 0; i < s.output().numel(); ++i) {
        const int64_t o = i % s.o, ow = i / s.o % s.ow, oh = i / s.o / s.ow % s.oh;
        const int64_t zw = p.conv.w_zero_point ? p.conv.w_zero_point[o] : 0;
        int64_t sum = p.conv.bias ? p.conv.bias[o] : 0;
        for (int64_t k = 0; k < s.k(); ++k) {
            const int64_t c = k % s.group_in(), kw = k / s.group_in() % s.kw;
            const int64_t kh = k / s.group_in() / s.kw;
            const uint8_t wq = p.w[o * s.k() + k];
            sum += (x_at(i / s.o / s.ow / s.oh, oh * s.attrs.stride_h - s.attrs.pad_top + kh,
                         ow * s.attrs.stride_w - s.attrs.pad_left + kw,
                         o / s.group_out() * s.group_in() + c) -
                    p.conv.x_zero_point) *
                   ((p.conv.w_signed ? static_cast<int8_t>(wq) : wq) - zw);
        }
        y.push_back(static_cast<int32_t>(sum));
    }
    return y;
}

void check_all_kernels(const Problem& p) {
    const std::vector<int32_t> expected = by_formula(p);
    for (IntegerKernel kernel : integer_kernels()) {
        const std::vector<int32_t> y = p.run(kernel);
        BOOST_TEST_CONTEXT(integer_kernel_name(kernel) << ' ' << p.geometry) {
            BOOST_TEST(y == expected);
        }
    }
    BOOST_TEST(p.run(IntegerKernel::fastest) == expected);
}

std::vector<ConvCase> all_cases() {
    std::vector<ConvCase> cases = small_conv_cases();
    for (const ConvCase& c : wide_conv_cases()) cases.push_back(c);
    return cases;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conv2d_codes_kernels, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_geometry_in_every_kernel) {
    for (const ConvCase& c : all_cases()) {
        check_all_kernels(Problem(c, Draw::whole, false, 114, true));
        check_all_kernels(Problem(c, Draw::whole, true, -3, true));
    }
}

BOOST_AUTO_TEST_CASE(extreme_codes_do_not_saturate) {
    const ConvCase c{{1, 4, 5, 70}, {18, 3, 3, 70}, {1, 1, 1, 1, 1, 1, 1}};
    for (int32_t zx : {0, 255}) check_all_kernels(Problem(c, Draw::ends, false, zx, true));
    for (int32_t zx : {-128, 127}) check_all_kernels(Problem(c, Draw::ends, true, zx, true));
}

BOOST_AUTO_TEST_CASE(every_zero_point) {
    const ConvCase c{{1, 3, 3, 5}, {3, 2, 2, 5}, {1, 1, 1, 0, 0, 1, 1}};
    for (int32_t zx = 0; zx < 256; ++zx) {
        check_all_kernels(Problem(c, Draw::whole, false, zx, true));
        check_all_kernels(Problem(c, Draw::whole, true, zx - 128, true));
    }
}

// One zero point for each filter, drawn among the codes of the weights.
BOOST_AUTO_TEST_CASE(weights_with_zero_points) {
    for (const ConvCase& c : all_cases()) {
        for (bool x_signed : {false, true}) {
            for (bool w_signed : {false, true}) {
                Problem p(c, Draw::whole, x_signed, x_signed ? -9 : 7, w_signed);
                p.conv.w_zero_point = p.draw_zero_points();
                check_all_kernels(p);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(unsigned_weights_without_zero_points) {
    for (const ConvCase& c : all_cases()) {
        Problem p(c, Draw::whole, false, 7, false);
        check_all_kernels(p);
        p.conv.bias = nullptr;
        p.w_zero_point.assign(c.w[0], 128);  // as int8: all 0, and nothing to subtract
        p.conv.w_zero_point = p.w_zero_point.data();
        check_all_kernels(p);
    }
}

BOOST_AUTO_TEST_CASE(extreme_weight_zero_points_do_not_saturate) {
    const ConvCase c{{1, 4, 5, 70}, {18, 3, 3, 70}, {1, 1, 1, 1, 1, 1, 1}};
    for (bool x_signed : {false, true}) {
        for (bool w_signed : {false, true}) {
            for (int32_t end : {0, 255}) {
                const int32_t lowest_w = w_signed ? -128 : 0;
                Problem p(c, Draw::ends, x_signed, (x_signed ? -128 : 0) + end, w_signed);
                for (int32_t zw : {lowest_w, lowest_w + 255}) {
                    p.w_zero_point.assign(c.w[0], zw);
                    p.conv.w_zero_point = p.w_zero_point.data();
                    check_all_kernels(p);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_weight_zero_point) {
    const ConvCase c{{1, 3, 3, 5}, {3, 2, 2, 5}, {1, 1, 1, 0, 0, 1, 1}};
    for (int32_t zw = 0; zw < 256; ++zw) {
        for (bool w_signed : {false, true}) {
            Problem p(c, Draw::whole, false, 7, w_signed);
            p.w_zero_point.assign(c.w[0], zw - (w_signed ? 128 : 0));
            p.conv.w_zero_point = p.w_zero_point.data();
            check_all_kernels(p);
        }
    }
}

// Differences do not fit the vector kernels: falls back to the readable one.
BOOST_AUTO_TEST_CASE(zero_points_that_are_no_codes_fall_back) {
    const ConvCase c = small_conv_cases()[0];
    Problem p(c, Draw::ends, false, 7, true);
    p.w_zero_point.assign(c.w[0], 40000);
    p.conv.w_zero_point = p.w_zero_point.data();
    check_all_kernels(p);
    Problem wide(c, Draw::ends, false, -40000, true);
    check_all_kernels(wide);
}

// zw R overflows int32, but the accumulator, a sum of products that are all 0, does not.
BOOST_AUTO_TEST_CASE(parts_may_overflow) {
    Problem p({{1, 1, 1, 70000}, {3, 1, 1, 70000}, {}}, Draw::whole, false, 0, true);
    p.x.assign(p.x.size(), 255);
    p.w.assign(p.w.size(), 127);
    p.w_zero_point.assign(3, 127);
    p.conv.w_zero_point = p.w_zero_point.data();
    BOOST_TEST(by_formula(p) == p.bias);
    check_all_kernels(p);
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
    Problem p(wide_conv_cases()[1], Draw::whole, false, 3, true);
    p.conv.w_zero_point = p.draw_zero_points();
    const int before = thread_count();
    for (IntegerKernel kernel : integer_kernels()) {
        set_thread_count(1);
        const std::vector<int32_t> one = p.run(kernel);
        for (int threads : {2, 3}) {
            set_thread_count(threads);
            BOOST_TEST(p.run(kernel) == one);
        }
    }
    set_thread_count(before);
}

BOOST_AUTO_TEST_SUITE_END()
