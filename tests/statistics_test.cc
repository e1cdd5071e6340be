// statistics: NumPy's numbers, the same for any cut of the stream and any number of threads.
#include "quant/statistics.h"

#include <boost/test/unit_test.hpp>
#include <cfloat>
#include <numeric>

#include "tensor/channel_layout.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(statistics, *boost::unit_test::label("unit"))

namespace {

Statistics seen(const std::vector<Tensor>& arrays, int axis = -1) {
    Statistics s(axis, true);
    for (const Tensor& x : arrays) s.add(x);
    return s;
}

Tensor values(const std::vector<float>& v) {
    return Tensor::from(v, {static_cast<int64_t>(v.size())});
}

ChannelStatistics seen_values(const std::vector<std::vector<float>>& arrays) {
    std::vector<Tensor> tensors;
    for (const auto& v : arrays) tensors.push_back(values(v));
    return seen(tensors).channels()[0];
}

// Elements [begin, end) as one array of rank 1.
Tensor part(const Tensor& x, int64_t begin, int64_t end) {
    return values({x.data<float>() + begin, x.data<float>() + end});
}

// The arrays of a golden stream [arrays, ...].
std::vector<Tensor> golden_stream(const std::string& name) {
    const Tensor all = golden("calibration/" + name + "/values");
    std::vector<int64_t> extents;
    for (int i = 1; i < all.shape().rank(); ++i) extents.push_back(all.shape()[i]);
    std::vector<Tensor> arrays;
    for (int64_t i = 0; i < all.shape()[0]; ++i) {
        const int64_t n = all.numel() / all.shape()[0];
        const Tensor flat = part(all, i * n, (i + 1) * n);
        arrays.push_back(extents.size() == 2 ? flat.reshape({extents[0], extents[1]})
                                             : flat.reshape({extents[0], extents[1], extents[2]}));
    }
    return arrays;
}

// In the order of the script's STATISTICS.
std::vector<double> row_of(const ChannelStatistics& s) {
    return {s.min,
            s.max,
            s.moving_min,
            s.moving_max,
            s.sample_min,
            s.sample_max,
            static_cast<double>(s.count),
            s.mean(),
            s.mean_magnitude(),
            s.deviation(),
            s.histogram.reach};
}

void check_same_counts(const ChannelStatistics& a, const ChannelStatistics& b) {
    BOOST_TEST(a.min == b.min);
    BOOST_TEST(a.max == b.max);
    BOOST_TEST(a.count == b.count);
    BOOST_TEST(a.histogram.reach == b.histogram.reach);
    BOOST_TEST((a.histogram.counts == b.histogram.counts));
}

bool is_diverged(const Error& e) {
    return e.kind() == ErrorKind::diverged &&
           std::string(e.what()).find("not finite") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(equal_numpy) {
    for (const auto& [name, axis] :
         {std::pair{"signed", -1}, std::pair{"relu", -1}, std::pair{"channels", 0}}) {
        const Statistics got = seen(golden_stream(name), axis);
        const Tensor want = golden(std::string("calibration/") + name + "/statistics");
        const int64_t channels = static_cast<int64_t>(got.channels().size());
        BOOST_REQUIRE(want.shape() == Shape({channels, 11}));
        for (int64_t c = 0; c < channels; ++c) {
            BOOST_TEST_CONTEXT(name << " channel " << c) {
                const ChannelStatistics& s = got.channels()[c];
                const std::vector<double> row = row_of(s);
                for (int i = 0; i < 11; ++i) {
                    const double expected = want.data<double>()[c * 11 + i];
                    BOOST_TEST_CONTEXT("statistic " << i) {
                        BOOST_TEST(std::abs(row[i] - expected) <= 3e-7 * std::abs(expected));
                    }
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(counts_equal_numpy) {
    for (const std::string name : {"signed", "relu"}) {
        const std::vector<int32_t> want =
            golden("calibration/" + name + "/counts").to_vector<int32_t>();
        const Statistics got = seen(golden_stream(name));
        const std::vector<int64_t> wide(want.begin(), want.end());
        BOOST_TEST((got.channels()[0].histogram.counts == wide));
    }
}

BOOST_AUTO_TEST_CASE(a_stream_may_come_in_any_pieces) {
    const Tensor x = random_tensor({10000}, 1, -3, 5);
    const ChannelStatistics one = seen({x}).channels()[0];
    for (int64_t piece : {1, 7, 4097, 9999}) {
        std::vector<Tensor> pieces;
        for (int64_t i = 0; i < x.numel(); i += piece) {
            pieces.push_back(part(x, i, std::min(x.numel(), i + piece)));
        }
        const ChannelStatistics many = seen(pieces).channels()[0];
        check_same_counts(many, one);
        BOOST_CHECK_CLOSE(many.mean(), one.mean(), 1e-10);
        BOOST_CHECK_CLOSE(many.mean_magnitude(), one.mean_magnitude(), 1e-10);
        BOOST_CHECK_CLOSE(many.deviation(), one.deviation(), 1e-10);
    }
}

BOOST_AUTO_TEST_CASE(a_grown_histogram_is_one_that_knew_its_reach) {
    const std::vector<float> small{0.0f, -0.0f, 1e-3f, -1e-3f, 0.4999f, -0.4999f, 0.25f, -0.25f};
    for (float large : {0.5f, -0.5f, 1.0f, -1.0f, 1.5f, -777.0f, 1e30f, -FLT_MAX}) {
        BOOST_TEST_CONTEXT(large) {
            const ChannelStatistics late = seen_values({small, {large}});
            std::vector<float> both = small;
            both.push_back(large);
            check_same_counts(late, seen_values({both}));
            check_same_counts(late, seen_values({{large}, small}));
            BOOST_TEST(late.histogram.reach > std::abs(large));
            BOOST_TEST(late.histogram.reach <= 2.0 * std::abs(large));
        }
    }
    // The smallest floats, then the largest: 2^277 of growth.
    check_same_counts(seen_values({{-FLT_TRUE_MIN, 0.0f, FLT_TRUE_MIN}, {FLT_MAX}}),
                      seen_values({{FLT_MAX, FLT_TRUE_MIN, 0.0f, -FLT_TRUE_MIN}}));
}

BOOST_AUTO_TEST_CASE(every_value_is_counted_in_its_bin) {
    const Tensor x = random_tensor({300, 100}, 2, -0.7f, 3.1f);
    const Histogram h = seen({x}).channels()[0].histogram;
    BOOST_TEST(h.reach == 4.0);
    std::vector<int64_t> counts(Histogram::bins);
    int64_t outside = 0;
    for (float v : x.to_vector<float>()) {
        const int bin = h.bin_of(v);
        outside += std::abs(v - h.centre(bin)) > h.width() / 2;
        ++counts[bin];
    }
    BOOST_TEST(outside == 0);
    BOOST_TEST((h.counts == counts));
    BOOST_TEST(h.bin_of(1e300) == Histogram::bins - 1);
    BOOST_TEST(h.bin_of(-1e300) == 0);
}

BOOST_AUTO_TEST_CASE(zeros_alone_have_a_bin) {
    const ChannelStatistics s = seen_values({{0.0f, 0.0f, -0.0f}});
    BOOST_TEST(s.histogram.reach > 0.0);
    BOOST_TEST(s.histogram.counts[Histogram::bins / 2] == 3);
}

BOOST_AUTO_TEST_CASE(without_a_histogram_none_is_kept) {
    Statistics s(-1, false);
    s.add(values({1, 2, 3}));
    BOOST_TEST(s.channels()[0].histogram.counts.empty());
    BOOST_TEST(s.channels()[0].count == 3);
}

BOOST_AUTO_TEST_CASE(a_channel_is_a_tensor_of_its_own) {
    const Tensor x = random_tensor({3, 4, 50}, 3);
    for (int axis : {0, 1, 2}) {
        const ChannelLayout layout = channel_layout(x.shape(), axis);
        const Statistics s = seen({x}, axis);
        BOOST_TEST(static_cast<int64_t>(s.channels().size()) == layout.channels);
        float least = INFINITY;
        for (int64_t c = 0; c < layout.channels; ++c) {
            std::vector<float> own;
            for (int64_t i = 0; i < x.numel(); ++i) {
                if (i / layout.inner % layout.channels == c) own.push_back(x.data<float>()[i]);
            }
            const ChannelStatistics want = seen_values({own}), &got = s.channels()[c];
            check_same_counts(got, want);
            BOOST_CHECK_CLOSE(got.mean(), want.mean(), 1e-10);
            BOOST_CHECK_CLOSE(got.deviation(), want.deviation(), 1e-10);
            least = std::min(least, want.min);
        }
        BOOST_TEST(s.min() == least);
    }
}

BOOST_AUTO_TEST_CASE(moving_averages_weigh_the_new_array_by_a_tenth) {
    const ChannelStatistics s = seen_values({{-1, 2}, {-11, 12}});
    BOOST_CHECK_CLOSE(s.moving_min, -2.0f, 1e-4);
    BOOST_CHECK_CLOSE(s.moving_max, 3.0f, 1e-4);
}

BOOST_AUTO_TEST_CASE(samples_are_averaged_over_axis_0) {
    const std::vector<float> v{-1, 2, -3, 8};
    const ChannelStatistics two = seen({values(v).reshape({2, 2})}).channels()[0];
    BOOST_TEST(two.sample_min == -2.0f);
    BOOST_TEST(two.sample_max == 5.0f);
    BOOST_TEST(two.moving_max == 8.0f);
    const ChannelStatistics one = seen({values(v)}).channels()[0];
    BOOST_TEST(one.sample_min == -3.0f);
    BOOST_TEST(one.sample_max == 8.0f);
    // Axis 1: sample n of channel c is x[n, c, ...].
    const Statistics columns = seen({values(v).reshape({2, 2})}, 1);
    BOOST_TEST(columns.channels()[0].sample_min == -2.0f);
    BOOST_TEST(columns.channels()[1].sample_max == 5.0f);
}

BOOST_AUTO_TEST_CASE(the_deviation_is_unbiased_and_not_lost_beside_the_mean) {
    BOOST_CHECK_CLOSE(seen_values({{1, 3}}).deviation(), std::sqrt(2.0), 1e-10);
    BOOST_TEST(seen_values({{5}}).deviation() == 0.0);
    // Standard deviation 2^-10 next to a mean of 8192: the difference of mean squares would keep 3
    // digits.
    std::vector<float> v;
    for (int i = 0; i < 20000; ++i) v.push_back(8192.0f + (i % 2 ? 0x1p-10f : -0x1p-10f));
    BOOST_CHECK_CLOSE(seen_values({v, v}).deviation(), 0x1p-10 * std::sqrt(40000.0 / 39999.0),
                      1e-8);
}

BOOST_AUTO_TEST_CASE(threads_change_nothing) {
    const Tensor x = random_tensor({40, 3, 3000}, 4, -2, 3);
    const Tensor y = random_tensor({41, 3, 3000}, 5, -9, 9);
    for (int axis : {-1, 1}) {
        BOOST_TEST(same_with_threads([&] {
            std::vector<double> numbers;
            const Statistics both = seen({x, y}, axis);
            for (const ChannelStatistics& s : both.channels()) {
                const std::vector<double> row = row_of(s);
                numbers.insert(numbers.end(), row.begin(), row.end());
                for (int64_t n : s.histogram.counts) numbers.push_back(static_cast<double>(n));
            }
            const Range r = observe_range(y, axis);
            return std::vector<Tensor>{
                Tensor::from(numbers, {static_cast<int64_t>(numbers.size())}), r.min, r.max};
        }));
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_refused_and_not_added) {
    for (float bad : {NAN, INFINITY, -INFINITY}) {
        for (int64_t place : {0, 15, 16, 70000, 99999}) {
            Tensor x = random_tensor({2, 50000}, 6);
            x.data<float>()[place] = bad;
            Statistics s = seen({random_tensor({2, 5}, 7)}, 0);
            const ChannelStatistics before = s.channels()[0];
            BOOST_CHECK_EXCEPTION(s.add(x), Error, is_diverged);
            check_same_counts(s.channels()[0], before);
            BOOST_CHECK_EXCEPTION(observe_range(x, 0), Error, is_diverged);
            BOOST_CHECK_EXCEPTION(observe_range(x, -1), Error, is_diverged);
        }
    }
    BOOST_CHECK_NO_THROW(seen_values({{FLT_MAX, FLT_MAX, -FLT_MAX}}));
}

BOOST_AUTO_TEST_CASE(ranges_are_exact_wherever_the_ends_lie) {
    for (int64_t place : {0, 16, 17, 65535, 65536, 139999}) {
        Tensor x = random_tensor({2, 70000}, 8);
        x.data<float>()[place] = -7.5f;
        x.data<float>()[139999 - place] = 8.5f;
        const Range all = observe_range(x, -1), rows = observe_range(x, 0);
        BOOST_TEST(all.min.data<float>()[0] == -7.5f);
        BOOST_TEST(all.max.data<float>()[0] == 8.5f);
        BOOST_TEST(rows.min.data<float>()[place / 70000] == -7.5f);
        BOOST_TEST(rows.max.data<float>()[1 - place / 70000] == 8.5f);
        BOOST_TEST(rows.max.data<float>()[place / 70000] < 1.0f);
    }
    const Range columns = observe_range(values({1, 2, 3, 4}).reshape({2, 2}), 1);
    BOOST_TEST(columns.min.data<float>()[1] == 2.0f);
    BOOST_TEST(columns.max.data<float>()[0] == 3.0f);
}

BOOST_AUTO_TEST_CASE(arrays_must_fit) {
    Statistics s(0, true);
    BOOST_CHECK_THROW(s.min(), Error);
    BOOST_CHECK_THROW(s.add(Tensor::zeros({0, 3})), Error);
    s.add(Tensor::zeros({2, 3}));
    BOOST_CHECK_THROW(s.add(Tensor::zeros({3, 2})), Error);
    BOOST_CHECK_THROW(observe_range(Tensor::zeros({0}), -1), Error);
}

BOOST_AUTO_TEST_SUITE_END()
