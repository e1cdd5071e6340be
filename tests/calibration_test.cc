// calibration: MQBench's numbers, an oracle in NumPy, and the purpose of each method.
#include "quant/calibration.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "quant/numerics.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(calibration, *boost::unit_test::label("unit"))

namespace {

// In the order of the script's METHODS.
const std::vector<Calibration> methods{
    Calibration::min_max, Calibration::moving_average, Calibration::quantile,      Calibration::mse,
    Calibration::kld,     Calibration::norm,           Calibration::mean_deviation};

Statistics seen(const std::vector<Tensor>& arrays, int axis = -1) {
    Statistics s(axis, true);
    for (const Tensor& x : arrays) s.add(x);
    return s;
}

ChannelStatistics seen_all(const Tensor& x) {
    return seen({x}).channels()[0];
}

QuantFormat format_of(int bits, bool is_signed, bool symmetric = true) {
    QuantFormat format;
    format.bits = bits;
    format.is_signed = is_signed;
    format.symmetric = symmetric;
    return format;
}

std::vector<QuantFormat> all_formats() {
    std::vector<QuantFormat> all;
    for (int bits : {2, 3, 4, 8}) {
        for (bool power_of_two : {false, true}) {
            for (bool symmetric : {true, false}) {
                all.push_back(format_of(bits, true, symmetric));
                all.push_back(format_of(bits, false, symmetric));
                all.push_back(format_of(bits, true, symmetric));
                all.back().narrow = true;
                for (size_t i = all.size() - 3; i < all.size(); ++i) {
                    all[i].power_of_two = power_of_two;
                }
            }
        }
    }
    return all;
}

std::vector<QuantFormat> golden_formats() {
    const std::vector<int32_t> rows = golden("calibration/formats").to_vector<int32_t>();
    std::vector<QuantFormat> formats;
    for (size_t i = 0; i < rows.size(); i += 5) {
        formats.push_back(format_of(rows[i], rows[i + 1], rows[i + 2]));
        formats.back().narrow = rows[i + 3];
        formats.back().power_of_two = rows[i + 4];
    }
    return formats;
}

// values.npy [arrays, samples, ...], each sample flat.
Statistics golden_seen(const std::string& name, int axis) {
    const Tensor all = golden("calibration/" + name + "/values");
    const int64_t n = all.numel() / all.shape()[0], samples = all.shape()[1];
    Statistics s(axis, true);
    for (int64_t i = 0; i < all.shape()[0]; ++i) {
        const float* first = all.data<float>() + i * n;
        s.add(Tensor::from(std::vector<float>(first, first + n), {samples, n / samples}));
    }
    return s;
}

// Roughly normal: the sum of 12 uniform numbers, with unit variance.
Tensor normal(int64_t n, uint64_t seed) {
    const Tensor u = random_tensor({n, 12}, seed, -0.5f, 0.5f);
    Tensor x = Tensor::zeros({n});
    for (int64_t i = 0; i < 12 * n; ++i) x.data<float>()[i / 12] += u.data<float>()[i];
    return x;
}

// Mean (x_hat - x)^2 of the values themselves, without the histogram.
double squared_error(const Tensor& x, ScaleAndZero grid, const QuantFormat& format) {
    double sum = 0.0;
    for (int64_t i = 0; i < x.numel(); ++i) {
        const double v = x.data<float>()[i];
        const int32_t q = quantize_value(x.data<float>()[i], grid.scale, grid.zero_point,
                                         format.qmin(), format.qmax());
        const double error = double{grid.scale} * (q - grid.zero_point) - v;
        sum += error * error;
    }
    return sum / static_cast<double>(x.numel());
}

float reach(Calibration method, const ChannelStatistics& s, const QuantFormat& format) {
    return range_of_scale(calibrate_channel(method, s, format), format).hi;
}

void check_golden(const std::string& name, int axis) {
    const std::vector<QuantFormat> formats = golden_formats();
    const Statistics s = golden_seen(name, axis);
    const Tensor scale = golden("calibration/" + name + "/scale");
    const Tensor zero_point = golden("calibration/" + name + "/zero_point");
    const size_t channels = s.channels().size();
    BOOST_REQUIRE(scale.numel() ==
                  static_cast<int64_t>(methods.size() * formats.size() * channels));
    size_t i = 0;
    for (Calibration method : methods) {
        for (const QuantFormat& format : formats) {
            for (size_t c = 0; c < channels; ++c, ++i) {
                const auto got = calibrate_channel(method, s.channels()[c], format);
                BOOST_TEST_CONTEXT(name << " " << name_of(method) << " " << describe(format)
                                        << " channel " << c) {
                    BOOST_CHECK_CLOSE(got.scale, scale.data<float>()[i], 1e-4);
                    BOOST_TEST(got.zero_point == zero_point.data<int32_t>()[i]);
                }
            }
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(vectors_of_the_benchmark) {  // MQBench 1.7
    const ChannelStatistics w =
        seen_all(Tensor::from(std::vector<float>{.9f, -.2f, .1f, -.5f, .3f, .4f}, {6}));
    QuantFormat format = format_of(4, true);
    const double percent = 1e-4;
    BOOST_CHECK_CLOSE(calibrate_channel(Calibration::min_max, w, format).scale, 0.12, percent);
    BOOST_CHECK_CLOSE(calibrate_channel(Calibration::norm, w, format).scale, 0.3023716, 1e-4);
    format.narrow = true;
    BOOST_CHECK_CLOSE(calibrate_channel(Calibration::min_max, w, format).scale, 0.1285714, percent);
    for (const auto& [is_signed, z] : {std::pair{true, -3}, std::pair{false, 5}}) {
        const auto got = calibrate_channel(Calibration::min_max, w, format_of(4, is_signed, false));
        BOOST_CHECK_CLOSE(got.scale, 0.0933333, percent);
        BOOST_TEST(got.zero_point == z);
    }
    // Adaptive sign: M / (qmax - qmin).
    BOOST_CHECK_CLOSE(scale_from_range(0.0f, 0.9f, format_of(4, false)).scale, 0.06, percent);
}

BOOST_AUTO_TEST_CASE(power_of_two_scales_of_the_benchmark) {  // MQBench 1.4
    QuantFormat format = format_of(4, false);
    format.power_of_two = true;
    for (const auto& [s, pot] :
         {std::pair{0.1f, 0.125f}, std::pair{0.3f, 0.25f}, std::pair{0.35f, 0.25f},
          std::pair{0.36f, 0.5f}, std::pair{0.707f, 0.5f}, std::pair{0.7072f, 1.0f},
          std::pair{1.5f, 2.0f}}) {
        BOOST_TEST(scale_from_range(0.0f, 15.0f * s, format).scale == pot);
    }
    // The zero point is that of the rounded scale: 0.1 -> 0.125, and -0.75 / 0.125 = -6.
    format.symmetric = false;
    BOOST_TEST(scale_from_range(-0.75f, 0.75f, format).scale == 0.125f);
    BOOST_TEST(scale_from_range(-0.75f, 0.75f, format).zero_point == 6);
}

BOOST_AUTO_TEST_CASE(golden_signed) {
    check_golden("signed", -1);
}
BOOST_AUTO_TEST_CASE(golden_relu) {
    check_golden("relu", -1);
}
BOOST_AUTO_TEST_CASE(golden_channels) {
    check_golden("channels", 0);
}

BOOST_AUTO_TEST_CASE(a_range_survives_its_scale) {
    for (const QuantFormat& format : all_formats()) {
        for (const auto& [lo, hi] : {Span{-0.7f, 1.9f}, Span{-3.3f, 0.1f}, Span{0.0f, 6.1f},
                                     Span{-2.2f, 0.0f}, Span{0.5f, 0.9f}, Span{0.0f, 0.0f}}) {
            const ScaleAndZero grid = scale_from_range(lo, hi, format);
            const Span span = range_of_scale(grid, format);
            const ScaleAndZero again = scale_from_range(span.lo, span.hi, format);
            BOOST_TEST_CONTEXT(describe(format) << " of [" << lo << ", " << hi << "]") {
                BOOST_CHECK_CLOSE(again.scale, grid.scale, 1e-5);
                BOOST_TEST(again.zero_point == grid.zero_point);
                if (format.symmetric && !format.power_of_two && hi > 0.0f) {
                    const float kept = std::max({-lo, hi, 0.0f});
                    BOOST_CHECK_CLOSE(span.hi, kept, 1e-4);
                    BOOST_CHECK_CLOSE(span.lo, format.is_signed ? -kept : 0.0f, 1e-4);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(grids_are_legal_for_every_method_and_format) {
    const Tensor positive = random_tensor({500}, 1, 2, 3),
                 negative = random_tensor({500}, 2, -3, -2);
    for (const Tensor& x : {normal(500, 3), positive, negative, Tensor::zeros({5}),
                            Tensor::full({1}, 1e-30f), Tensor::full({1}, -1e37f)}) {
        const ChannelStatistics s = seen_all(x);
        for (Calibration method : methods) {
            for (const QuantFormat& format : all_formats()) {
                const ScaleAndZero grid = calibrate_channel(method, s, format);
                BOOST_TEST_CONTEXT(name_of(method) << " " << describe(format) << " " << s.min) {
                    BOOST_TEST(grid.scale >= kScaleFloor);
                    BOOST_TEST(std::isfinite(grid.scale));
                    BOOST_TEST(grid.zero_point >= format.qmin());
                    BOOST_TEST(grid.zero_point <= format.qmax());
                    if (format.symmetric) BOOST_TEST(grid.zero_point == 0);
                    int exponent = 0;
                    if (format.power_of_two) BOOST_TEST(std::frexp(grid.scale, &exponent) == 0.5f);
                    // Nothing negative was seen: no codes lie below zero.
                    if (!format.symmetric && s.min >= 0.0f) {
                        BOOST_TEST(grid.zero_point == format.qmin());
                    }
                }
            }
        }
    }
}

// The largest part of the range that the search may keep. Both ends of an asymmetric range are
// scaled, so the outlier costs the values on the other side; KLD accepts less of that cost than
// MSE.
float kept(Calibration method, const QuantFormat& format) {
    const bool two_ends = format.is_signed && !format.symmetric;
    return method == Calibration::kld && two_ends ? 0.8f : 0.5f;
}

BOOST_AUTO_TEST_CASE(a_stray_value_is_clipped_by_those_that_clip) {
    for (bool is_signed : {true, false}) {
        Tensor x = normal(100000, 4);
        for (int64_t i = 0; i < x.numel(); ++i) {
            if (!is_signed) x.data<float>()[i] = std::abs(x.data<float>()[i]);
        }
        x.data<float>()[777] = 20.0f;
        const ChannelStatistics s = seen_all(x);
        for (bool symmetric : {true, false}) {
            const QuantFormat format = format_of(4, is_signed, symmetric);
            BOOST_TEST_CONTEXT(describe(format)) {
                const float whole = reach(Calibration::min_max, s, format);
                BOOST_TEST(whole > 15.0f);
                for (Calibration method :
                     {Calibration::quantile, Calibration::mse, Calibration::kld}) {
                    BOOST_TEST_CONTEXT(name_of(method)) {
                        BOOST_TEST(reach(method, s, format) < kept(method, format) * whole);
                        BOOST_TEST(reach(method, s, format) > 1.5f);
                    }
                }
            }
        }
    }
}

// A symmetric range is searched by max(-min, max): also with the outlier below zero.
BOOST_AUTO_TEST_CASE(the_search_moves_both_ends) {
    Tensor x = normal(100000, 5);
    x.data<float>()[5] = -20.0f;
    const ChannelStatistics s = seen_all(x);
    for (bool symmetric : {true, false}) {
        const QuantFormat format = format_of(4, true, symmetric);
        for (Calibration method : {Calibration::mse, Calibration::kld}) {
            const Span span = range_of_scale(calibrate_channel(method, s, format), format);
            BOOST_TEST_CONTEXT(name_of(method) << " " << describe(format)) {
                BOOST_TEST(span.lo > -20.0f * kept(method, format));
                BOOST_TEST(span.lo < -1.0f);
            }
        }
    }
}

// Tries all scales on the values themselves: measures the cost of the histogram and the 95
// candidates.
BOOST_AUTO_TEST_CASE(mse_is_near_the_exhaustive_optimum) {
    Tensor relu = normal(20000, 6);
    for (int64_t i = 0; i < relu.numel(); ++i) {
        relu.data<float>()[i] = std::max(0.0f, relu.data<float>()[i]);
    }
    double worst = 0.0;
    for (int bits : {2, 3, 4, 8}) {
        for (const auto& [x, is_signed] :
             {std::pair{normal(20000, 7), true}, std::pair{random_tensor({20000}, 8, -1, 1), true},
              std::pair{relu, false}}) {
            const QuantFormat format = format_of(bits, is_signed);
            const ChannelStatistics s = seen_all(x);
            double best = INFINITY;
            for (int i = 1; i <= 1000; ++i) {
                const float kept = 0.001f * static_cast<float>(i);
                best = std::min(
                    best,
                    squared_error(x, scale_from_range(kept * s.min, kept * s.max, format), format));
            }
            const ScaleAndZero found = calibrate_channel(Calibration::mse, s, format);
            worst = std::max(worst, squared_error(x, found, format) / best);
        }
    }
    BOOST_TEST(worst < 1.02);
}

// Q excludes clipped mass: otherwise the narrowest clip would give every bin its own code and cost
// 0.
BOOST_AUTO_TEST_CASE(kld_keeps_what_is_even) {
    const ChannelStatistics s = seen_all(random_tensor({200000}, 9));
    for (int bits : {4, 8}) {
        BOOST_TEST(reach(Calibration::kld, s, format_of(bits, true)) > 0.9f);
    }
}

BOOST_AUTO_TEST_CASE(quantiles_are_within_what_was_seen) {
    for (const QuantFormat& format : {format_of(8, true), format_of(8, true, false)}) {
        const ChannelStatistics few = seen_all(random_tensor({50}, 10, -1.3f, 2.9f));
        const ScaleAndZero got = calibrate_channel(Calibration::quantile, few, format);
        BOOST_TEST(got.scale <= calibrate_channel(Calibration::min_max, few, format).scale);
    }
    // Evenly spread values: the quantiles by hand, separately for each side.
    const ChannelStatistics s = seen_all(random_tensor({1000000}, 11, -1.0f, 3.0f));
    const auto [lo, hi] =
        range_of_scale(calibrate_channel(Calibration::quantile, s, format_of(8, false, false)),
                       format_of(8, false, false));
    BOOST_TEST(std::abs(hi - lo - 4.0 * 0.9998) < 2e-4);
    BOOST_TEST(std::abs(reach(Calibration::quantile, s, format_of(8, true)) - 2.9996) < 1e-4);
}

BOOST_AUTO_TEST_CASE(channels_are_calibrated_alone) {
    const Tensor x = random_tensor({3, 400}, 12, -1, 2);
    const Statistics together = seen({x}, 0);
    for (int64_t c = 0; c < 3; ++c) {
        const float* first = x.data<float>() + c * 400;
        const ChannelStatistics alone =
            seen_all(Tensor::from(std::vector<float>(first, first + 400), {400}));
        for (Calibration method : methods) {
            const auto a = calibrate_channel(method, together.channels()[c], format_of(4, true));
            const auto b = calibrate_channel(method, alone, format_of(4, true));
            BOOST_TEST(a.scale == b.scale);
        }
    }
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
    const Tensor x = random_tensor({30, 20000}, 13, -1, 2);
    BOOST_TEST(same_with_threads([&] {
        const ChannelStatistics s = seen_all(x);
        std::vector<float> scales;
        for (Calibration method : methods) {
            scales.push_back(calibrate_channel(method, s, format_of(4, true, false)).scale);
        }
        return std::vector<Tensor>{Tensor::from(scales, {static_cast<int64_t>(scales.size())})};
    }));
}

BOOST_AUTO_TEST_CASE(names) {
    BOOST_TEST((calibration_of("auto") == Calibration::own));
    std::set<Calibration> reached;
    for (const std::string& name : calibration_names()) reached.insert(calibration_of(name));
    for (Calibration method : methods) {
        BOOST_TEST(reached.count(method) == 1);
        BOOST_TEST((calibration_of(name_of(method)) == method));
    }
    BOOST_TEST(name_of(Calibration::own) == std::string("own"));
    BOOST_CHECK_EXCEPTION(calibration_of("entropy"), Error, [](const Error& e) {
        return e.kind() == ErrorKind::usage &&
               std::string(e.what()).find("moving-average") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(what_a_method_needs_is_asked_for) {
    Statistics without(-1, false);
    without.add(normal(100, 14));
    const QuantFormat format = format_of(4, true);
    for (Calibration method : methods) {
        const auto run = [&] { calibrate_channel(method, without.channels()[0], format); };
        if (needs_histogram(method)) {
            BOOST_CHECK_THROW(run(), Error);
        } else {
            BOOST_CHECK_NO_THROW(run());
        }
        BOOST_CHECK_THROW(calibrate_channel(method, ChannelStatistics(), format), Error);
    }
    BOOST_CHECK_THROW(calibrate_channel(Calibration::own, without.channels()[0], format), Error);
}

BOOST_AUTO_TEST_SUITE_END()
