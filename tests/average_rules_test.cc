// Averages of codes by every rule, for sums that meet every residue, against exact integers.
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <set>

#include "quant/hardware.h"
#include "quant/window_averages.h"
#include "tests/compare.h"
#include "tests/dyadic.h"

using namespace gradus;

namespace {

// The rules that read only the sum of the codes.
const PoolRule all_rules[] = {PoolRule::real,     PoolRule::mean,      PoolRule::mean_single,
                              PoolRule::xnnpack,  PoolRule::half_away, PoolRule::truncated,
                              PoolRule::mantissa, PoolRule::reciprocal};
const int32_t counts[] = {1, 2, 3, 4, 5, 6, 8, 9, 12, 14, 16, 25, 49, 64, 100, 196, 1024};

struct Grid8 {
    float scale;
    int32_t zero_point, lo, hi;
};
const Grid8 grids[] = {{0.05f, 0, 0, 255},        {0.0371f, 3, 0, 255},   {0.7f, 128, 0, 255},
                       {0.1f, 255, 0, 255},       {0.25f, 7, 7, 200},     {1.0f / 3, 0, -128, 127},
                       {0.013f, -128, -128, 127}, {2.0f, 127, -128, 127}, {0.9f, -5, -128, 127}};

// The division in a rule's definition; `num / den` need not be dyadic, so ties are found in
// integers.
__int128 half_away(__int128 num, __int128 den) {
    return num < 0 ? -floor_divide(-2 * num + den, 2 * den) : floor_divide(2 * num + den, 2 * den);
}

__int128 by_definition(PoolRule rule, int32_t sum, int32_t n, const Grid8& g) {
    const __int128 centred = sum - __int128{n} * g.zero_point;
    const Dyadic s = Dyadic::of(g.scale), count = Dyadic::of(int64_t{n});
    switch (rule) {
        case PoolRule::half_away:
            return half_away(sum, n);
        case PoolRule::truncated:
            return sum < 0 ? -floor_divide(-__int128{sum}, n) : floor_divide(sum, n);
        case PoolRule::mantissa: {
            int ceiling = 0;
            while (1 << ceiling < n) ++ceiling;
            const __int128 half = Dyadic{__int128{256} * sum, -(ceiling + 1)}.integer(up);
            const __int128 m = floor_divide(floor_divide(__int128{1} << (15 + ceiling), n) + 1, 2);
            const __int128 scaled = floor_divide(half * m + 32768, 32768);
            return Dyadic{scaled, -6}.integer(up);
        }
        case PoolRule::real:
        case PoolRule::reciprocal: {
            const Dyadic m = rule == PoolRule::real ? (s / (s * count).f32()).f32()
                                                    : (Dyadic::of(int64_t{1}) / count).f32();
            return (Dyadic::of(static_cast<int64_t>(centred)).f32() * m).f32().integer(even) +
                   g.zero_point;
        }
        case PoolRule::xnnpack: {
            const Dyadic m = (Dyadic::of(int64_t{1}) / count).f32();
            const Dyadic zeros = (Dyadic::of(int64_t{n} * g.zero_point) * m).f32();
            const Dyadic offset =
                (Dyadic::of(int64_t{g.zero_point}) + Dyadic{-zeros.n, zeros.exponent}).f32();
            return ((Dyadic::of(int64_t{sum}) * m).f32() + offset).f32().integer(even);
        }
        default:
            break;
    }
    int e = 1;
    __int128 q = __int128{1} << 30;
    for (int32_t rest = n; rest > 1; rest /= 2) q *= 2, --e;
    q /= n;
    if (rule == PoolRule::mean_single) {
        return Dyadic{centred * q, e - 31}.integer(up) + g.zero_point;
    }
    const __int128 left = e > 0 ? centred << e : centred;
    const __int128 high = floor_divide(left * q + (1 << 30), __int128{1} << 31);
    return Dyadic{high, std::min(e, 0)}.integer(away) + g.zero_point;
}

// From the least possible sum to the greatest, in steps that cover every residue of the count.
template <class Visit>
void sweep(const Visit& visit) {
    for (const Grid8& g : grids) {
        const int32_t least = g.lo < 0 ? -128 : 0;
        for (const int32_t n : counts) {
            std::set<int32_t> residues;
            const int32_t step = n > 49 ? 13 : 1;  // 13 is coprime to the larger counts
            for (int32_t sum = least * n; sum <= (least + 255) * n; sum += step) {
                residues.insert((sum % n + n) % n);
                visit(sum, n, g);
            }
            BOOST_REQUIRE(residues.size() == static_cast<size_t>(n));
        }
    }
}

int32_t found(PoolRule rule, int32_t sum, int32_t n, const Grid8& g) {
    const AverageConstants k = average_constants(rule, g.scale, n);
    return average_code(rule, sum, n, k, g.zero_point, g.lo, g.hi);
}

// scripts/oracles/vectors.py: WINDOW_GRIDS and WINDOWS, the last window being the whole image.
const CodeGrid window_grids[] = {{0.0371f, 0}, {1.7f, 255},     {1.0f, 128},
                                 {0.05f, 3},   {1.0f / 3, 254}, {0.1123073f, 7}};
const PoolAttrs windows[] = {{2, 2, 2, 2, 0, 0, 0, 0, true},  {3, 3, 1, 1, 1, 1, 1, 1, true},
                             {3, 3, 2, 2, 1, 1, 1, 1, false}, {5, 7, 1, 2, 2, 3, 2, 3, false},
                             {2, 3, 1, 2, 1, 0, 0, 2, false}, {5, 5, 1, 1, 1, 2, 2, 1, true},
                             {9, 8, 1, 1, 0, 0, 0, 0, true}};

bool equal_padding(const PoolAttrs& a) {
    return a.pad_top == a.pad_bottom && a.pad_left == a.pad_right;
}

// Counts the codes of a library that a rule misses, window by window. A library may support only
// equal padding, and always count padding.
std::vector<int64_t> wrong_windows(const std::string& vectors, PoolRule rule, bool any_padding,
                                   bool always_counted) {
    const Tensor images = golden("onnxruntime/window_x"), y = golden(vectors);
    const int64_t image_size = images.numel() / images.shape()[0];
    const uint8_t* want = y.data<uint8_t>();
    std::vector<int64_t> wrong(std::size(windows));
    for (int64_t g = 0; g < images.shape()[0]; ++g) {
        const Shape image{1, images.shape()[1], images.shape()[2], images.shape()[3]};
        const uint8_t* x = images.data<uint8_t>() + g * image_size;
        const Tensor codes = Tensor::from(std::vector<uint8_t>(x, x + image_size), image);
        for (size_t w = 0; w < std::size(windows); ++w) {
            PoolAttrs attrs = windows[w];
            if (!any_padding && !equal_padding(attrs)) continue;
            attrs.count_include_pad = attrs.count_include_pad || always_counted;
            const PoolShape s = pool_shape("window", image, attrs);
            const CodeGrid grid = window_grids[g];
            const WindowAverages averages(rule, s, codes, grid.scale, grid.zero_point);
            for (int64_t c = 0; c < s.c; ++c) {
                for (int64_t pixel = 0; pixel < s.oh * s.ow; ++pixel) {
                    wrong[w] += averages.code(pixel * s.c + c, 0, 255) != *want++;
                }
            }
        }
    }
    BOOST_TEST((want == y.data<uint8_t>() + y.numel()));
    return wrong;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(average_rules, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(windows_equal_onnxruntime) {
    const auto wrong = [](PoolRule rule) {
        return wrong_windows("onnxruntime/window_y", rule, true, false);
    };
    const PoolRule own = find_hardware("onnxruntime").window;
    const auto found = wrong(own), real = wrong(PoolRule::real);
    for (size_t w = 0; w < std::size(windows); ++w)
        BOOST_TEST(found[w] == 0, w << ": " << found[w]);
    BOOST_TEST(std::accumulate(real.begin(), real.end(), int64_t{0}) > 100);
}

// onnxruntime 1.32 gives these codes: 1/2 above the zero point 5, which is inside the rounding only
// where the window is not the image.
BOOST_AUTO_TEST_CASE(a_window_that_is_the_whole_image_has_the_rule_of_images) {
    const auto codes = [](int64_t width, const PoolAttrs& attrs) {
        const std::vector<uint8_t> rows = width == 2 ? std::vector<uint8_t>{5, 6, 5, 6}
                                                     : std::vector<uint8_t>{5, 6, 5, 6, 5, 6, 5, 6};
        const Shape image{1, 2, width, 1};
        const WindowAverages averages(PoolRule::float_sum, pool_shape("window", image, attrs),
                                      Tensor::from(rows, image), 0.5f, 5);
        return averages.code(0, 0, 255);
    };
    BOOST_TEST(codes(2, {2, 2, 1, 1, 0, 0, 0, 0, true}) == 5);
    BOOST_TEST(codes(4, {2, 2, 2, 2, 0, 0, 0, 0, true}) == 6);
    BOOST_TEST(codes(2, {2, 2, 1, 1, 0, 0, 0, 1, false}) == 6);
}

BOOST_AUTO_TEST_CASE(windows_equal_pytorch) {
    const int64_t none = 0;
    const auto wrong = [](const char* engine, PoolRule rule, bool always_counted) {
        const auto all = wrong_windows(std::string("pytorch/") + engine + "_window_y", rule, false,
                                       always_counted);
        return std::accumulate(all.begin(), all.end(), int64_t{0});
    };
    for (const char* row : {"fbgemm", "onednn"}) {
        const Hardware& h = find_hardware(row);
        BOOST_TEST((h.mean == h.window && !h.always_counts_padding), row);
        BOOST_TEST(wrong("fbgemm", h.window, false) == none, row);
    }
    BOOST_TEST(wrong("fbgemm", PoolRule::real, false) > none);
    const Hardware& qnnpack = find_hardware("qnnpack");
    BOOST_TEST(qnnpack.always_counts_padding);
    BOOST_TEST(wrong("qnnpack", qnnpack.window, true) == none);
    BOOST_TEST(wrong("qnnpack", qnnpack.window, false) > none);
}

// The order of a window's floats is part of float_sum, so other operators must not have it.
BOOST_AUTO_TEST_CASE(sums_of_floats_are_of_windows_only) {
    for (const Hardware& row : hardware_table()) {
        BOOST_TEST((row.mean != PoolRule::float_sum), row.name);
    }
}

BOOST_AUTO_TEST_CASE(every_sum_equals_the_definition) {
    for (const PoolRule rule : all_rules) {
        int64_t wrong = 0, checked = 0;
        sweep([&](int32_t sum, int32_t n, const Grid8& g) {
            const __int128 want = by_definition(rule, sum, n, g);
            wrong += found(rule, sum, n, g) != (want < g.lo ? g.lo : want > g.hi ? g.hi : want);
            ++checked;
        });
        BOOST_TEST_MESSAGE(rule_name(rule) << ": " << checked << " sums");
        BOOST_TEST(wrong == 0, rule_name(rule) << ": " << wrong << " of " << checked);
    }
}

// Windows of 1, 2, 3, 9, 361 and 3969 codes: the table in Hexagon NN's op_avgpool_d32.
BOOST_AUTO_TEST_CASE(mantissas_are_those_of_the_library) {
    for (const auto& [n, shift, mantissa] : {std::tuple{1, 1, 16384},
                                             {2, 2, 16384},
                                             {3, 3, 21845},
                                             {9, 5, 29127},
                                             {361, 10, 23237},
                                             {3969, 13, 16908}}) {
        const AverageConstants k = average_constants(PoolRule::mantissa, 1.0f, n);
        BOOST_TEST(k.shift == shift, n);
        BOOST_TEST(k.integer == mantissa, n);
    }
}

BOOST_AUTO_TEST_CASE(the_sums_tell_all_rules_apart) {
    for (const PoolRule one : all_rules) {
        for (const PoolRule other : all_rules) {
            if (one >= other) continue;
            int64_t apart = 0;
            sweep([&](int32_t sum, int32_t n, const Grid8& g) {
                apart += found(one, sum, n, g) != found(other, sum, n, g);
            });
            BOOST_TEST_MESSAGE(rule_name(one) << " and " << rule_name(other) << ": " << apart);
            BOOST_TEST(apart > 0, rule_name(one) << " and " << rule_name(other));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
