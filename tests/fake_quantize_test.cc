// fake_quantize: PyTorch's operators, the codes to the bit, layouts, large arrays, devices; and the
// two cases in which PyTorch's learnable gradient differs from the rule of its forward pass.
#include "quant/fake_quantize.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "tensor/cuda.h"
#include "tests/compare.h"
#include "tests/fake_quantize_golden.h"

using namespace gradus;

namespace {

struct Grids {
    ChannelLayout layout;
    std::vector<float> scale;
    std::vector<int32_t> zero_point;
    CodeRange range;
};

// Scales and zero points that differ from channel to channel.
Grids grids_of(const ChannelLayout& layout, const CodeRange& range) {
    Grids grids{layout, {}, {}, range};
    for (int64_t c = 0; c < layout.channels; ++c) {
        grids.scale.push_back(0.07f + 0.03f * static_cast<float>(c % 5));
        const int64_t span = range.qmax - range.qmin + 1;
        grids.zero_point.push_back(range.qmin + static_cast<int32_t>((3 + 2 * c) % span));
    }
    return grids;
}

Tensor fake(const Tensor& x, const Grids& g) {
    Tensor x_hat = Tensor::empty(x.shape());
    fake_quantize(Device::cpu(), x.data<float>(), g.layout, g.scale.data(), g.zero_point.data(),
                  g.range, x_hat.data<float>());
    return x_hat;
}

Tensor straight_through(const Tensor& x, const Tensor& dy, const Grids& g) {
    Tensor dx = Tensor::empty(x.shape());
    straight_through_backward(Device::cpu(), x.data<float>(), dy.data<float>(), g.layout,
                              g.scale.data(), g.zero_point.data(), g.range, dx.data<float>());
    return dx;
}

// The grids of one golden case: the fixed integer zero points, or the real ones rounded.
Grids fixed_grids(const FakeQuantizeGolden& all, int64_t k) {
    return {all.layout(), all.row("scale", k).to_vector<float>(),
            all.row("zero_point", k).to_vector<int32_t>(), all.range(k)};
}
Grids learned_grids(const FakeQuantizeGolden& all, int64_t k) {
    return {all.layout(), all.row("scale", k).to_vector<float>(), all.rounded_zero_points(k),
            all.range(k)};
}

// The code before it is clamped, by the rule itself.
float unclamped(float x, float s, int32_t z) {
    return std::rint(x / s) + static_cast<float>(z);
}

// The definition, one element at a time.
float value_at(const Tensor& x, int64_t i, const Grids& g) {
    const int64_t c = i / g.layout.inner % g.layout.channels;
    const float code = unclamped(x.data<float>()[i], g.scale[c], g.zero_point[c]);
    const float lo = static_cast<float>(g.range.qmin), hi = static_cast<float>(g.range.qmax);
    const float kept = std::isnan(code) ? lo : std::min(std::max(code, lo), hi);
    return g.scale[c] * (kept - static_cast<float>(g.zero_point[c]));
}
float slope_at(const Tensor& x, const Tensor& dy, int64_t i, const Grids& g) {
    const int64_t c = i / g.layout.inner % g.layout.channels;
    const float code = unclamped(x.data<float>()[i], g.scale[c], g.zero_point[c]);
    const bool inside =
        code >= static_cast<float>(g.range.qmin) && code <= static_cast<float>(g.range.qmax);
    return inside ? dy.data<float>()[i] : 0.0f;
}

// Counts elements of both outputs that differ from the definition.
int64_t wrong(const Tensor& x, const Tensor& dy, const Grids& g) {
    const Tensor x_hat = fake(x, g), dx = straight_through(x, dy, g);
    int64_t count = 0;
    for (int64_t i = 0; i < x.numel(); ++i) {
        count += x_hat.data<float>()[i] != value_at(x, i, g);
        count += dx.data<float>()[i] != slope_at(x, dy, i, g);
    }
    return count;
}

// Axis first, middle, last; one channel; one value a channel; nothing.
const std::vector<ChannelLayout> layouts{
    {1, 1, 1},  {1, 1, 71}, {1, 6, 37}, {3, 5, 11},    {4, 3, 1},     {29, 13, 1}, {1, 19, 1},
    {33, 1, 1}, {7, 1, 9},  {2, 3, 2},  {1, 2, 70000}, {3000, 33, 1}, {1, 1, 0},
};
const std::vector<CodeRange> ranges{{-8, 7, true},     {-7, 7, true},   {0, 15, false},
                                    {-128, 127, true}, {0, 255, false}, {-2, 1, true}};

}  // namespace

BOOST_AUTO_TEST_SUITE(fake_quantize_kernels, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_values_and_gradients) {
    for (const std::string folder : {"tensor", "channel0", "channel1", "channel2", "ties"}) {
        const FakeQuantizeGolden all(folder);
        BOOST_REQUIRE(all.cases() > 0);
        for (int64_t k = 0; k < all.cases(); ++k) {
            BOOST_TEST_CONTEXT(folder << ' ' << k) {
                const Grids g = fixed_grids(all, k);
                const Tensor x = all.row("x", k);
                BOOST_TEST(close(fake(x, g), all.row("y", k), 0));
                BOOST_TEST(close(straight_through(x, all.row("dy", k), g), all.row("dx", k), 0));
            }
        }
    }
}

// The learnable operators round a real zero point to the grid first; then they agree with the fixed
// ones.
BOOST_AUTO_TEST_CASE(golden_learnable_values_and_gradients) {
    for (const std::string folder : {"tensor", "channel0", "channel1", "channel2"}) {
        const FakeQuantizeGolden all(folder);
        for (int64_t k = 0; k < all.cases(); ++k) {
            BOOST_TEST_CONTEXT(folder << ' ' << k) {
                const Grids g = learned_grids(all, k);
                const Tensor x = all.row("x", k);
                BOOST_TEST(close(fake(x, g), all.row("learned_y", k), 0));
                if (all.gradient_uses_another_zero_point(k)) continue;
                BOOST_TEST(
                    close(straight_through(x, all.row("dy", k), g), all.row("learned_dx", k), 0));
            }
        }
    }
}

// At x = (k + 1/2) s our gradient uses rne(x / s) + z, like the forward pass of both. PyTorch's
// learnable CPU gradient uses rne(z + x / s): another code if z is odd, and another mask if that
// code leaves the range.
BOOST_AUTO_TEST_CASE(at_ties_the_gradient_follows_the_code) {
    const FakeQuantizeGolden all("ties");
    for (int64_t k = 0; k < all.cases(); ++k) {
        const Grids g = learned_grids(all, k);
        const Tensor x = all.row("x", k), dy = all.row("dy", k);
        const std::vector<float> ours = straight_through(x, dy, g).to_vector<float>();
        const std::vector<float> torch = all.row("learned_dx", k).to_vector<float>();
        const float lo = static_cast<float>(g.range.qmin), hi = static_cast<float>(g.range.qmax);
        int different = 0;
        for (int64_t i = 0; i < x.numel(); ++i) {
            const float z = static_cast<float>(g.zero_point[i]);
            const float v = x.data<float>()[i] / g.scale[i];
            const float code = std::rint(v) + z, at_once = std::rint(z + v);
            BOOST_TEST(std::fabs(v - std::trunc(v)) == 0.5f);
            BOOST_TEST(ours[i] == (code >= lo && code <= hi ? 1.0f : 0.0f));
            BOOST_TEST(torch[i] == (at_once >= lo && at_once <= hi ? 1.0f : 0.0f));
            different += ours[i] != torch[i];
        }
        BOOST_TEST(different == (g.zero_point[0] % 2 == 0 ? 0 : 2), "case " << k);
    }
}

// With one scale for the tensor, PyTorch's gradient truncates z + 1/2: for z < 0 that is one more
// than the zero point of its forward pass. Ours uses the zero point of the forward pass.
BOOST_AUTO_TEST_CASE(negative_zero_points_are_those_of_the_forward_pass) {
    const FakeQuantizeGolden all("tensor");
    int seen = 0;
    for (int64_t k = 0; k < all.cases(); ++k) {
        if (!all.gradient_uses_another_zero_point(k)) continue;
        Grids g = learned_grids(all, k);
        const Tensor x = all.row("x", k), dy = all.row("dy", k), torch = all.row("learned_dx", k);
        BOOST_TEST(close(fake(x, g), all.row("learned_y", k), 0));
        g.zero_point[0] += 1;
        BOOST_TEST(close(straight_through(x, dy, g), torch, 0));
        ++seen;
    }
    BOOST_TEST(seen == 2);
}

BOOST_AUTO_TEST_CASE(every_layout_and_range_is_by_the_definition) {
    for (const ChannelLayout& layout : layouts) {
        for (const CodeRange& range : ranges) {
            const Grids g = grids_of(layout, range);
            const Tensor x = random_tensor({layout.numel()}, 1, -30, 30);
            const Tensor dy = random_tensor({layout.numel()}, 2, 0.5, 1);
            BOOST_TEST(wrong(x, dy, g) == 0, layout.outer << ' ' << layout.channels << ' '
                                                          << layout.inner << " qmin "
                                                          << range.qmin);
        }
    }
}

BOOST_AUTO_TEST_CASE(equals_the_float_view_of_the_codes_to_the_bit) {
    for (const int axis : {-1, 0, 1, 2}) {
        for (const CodeRange& range : ranges) {
            const Shape shape{5, 70, 150};  // more than one task
            const Tensor x = random_tensor(shape, 3, -3, 3);
            const Grids g = grids_of(channel_layout(shape, axis), range);
            Tensor codes = Tensor::empty(shape, range.is_signed ? DType::I8 : DType::U8);
            quantize_codes(Device::cpu(), x.data<float>(), g.layout, g.scale.data(),
                           g.zero_point.data(), range, codes.raw());
            const Shape each{g.layout.channels};
            const Affine value{codes, Tensor::from(g.scale, each), Tensor::from(g.zero_point, each),
                               axis};
            BOOST_TEST(same_bits(fake(x, g), dequantize(value)), "axis " << axis);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_number_and_what_is_infinite) {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
    // Whole vectors of each, and a tail: both loops.
    const std::vector<float> kinds{nan, infinity, -infinity, -0.0f, 1e-45f, 3e38f, -3e38f};
    std::vector<float> values, gradients;
    for (const float kind : kinds) values.insert(values.end(), 9, kind);
    for (size_t i = 0; i < values.size(); ++i) gradients.push_back(i % 2 ? nan : infinity);
    const Shape shape{static_cast<int64_t>(values.size())};
    const Grids g{{1, 1, shape.numel()}, {0.5f}, {2}, {-8, 7, true}};
    const std::vector<float> x_hat = fake(Tensor::from(values, shape), g).to_vector<float>();
    const std::vector<float> dx =
        straight_through(Tensor::from(values, shape), Tensor::from(gradients, shape), g)
            .to_vector<float>();
    const std::vector<float> want{-5, 2.5f, -5, 0, 0, 2.5f, -5};
    for (size_t i = 0; i < values.size(); ++i) {
        const bool inside = want[i / 9] == 0.0f;
        BOOST_TEST(x_hat[i] == want[i / 9], "value " << values[i]);
        BOOST_TEST((x_hat[i] != 0.0f || !std::signbit(x_hat[i])));
        // A gradient passes unchanged, or not at all.
        BOOST_TEST(inside == !std::isfinite(dx[i]), "gradient at " << values[i]);
        BOOST_TEST((inside || dx[i] == 0.0f));
    }
}

// Outputs of 64 MiB and more bypass the caches. An odd number of elements, and of rows.
BOOST_AUTO_TEST_CASE(large_arrays_are_by_the_definition) {
    const int64_t n = 7 * int64_t{2396781};
    const Tensor x = random_tensor({n}, 4, -3, 3), dy = random_tensor({n}, 5, 0.5, 1);
    for (const ChannelLayout& layout :
         {ChannelLayout{1, 1, n}, ChannelLayout{1, 7, n / 7}, ChannelLayout{n / 7, 7, 1}}) {
        BOOST_REQUIRE(layout.numel() == n);
        BOOST_TEST(wrong(x, dy, grids_of(layout, {-8, 7, true})) == 0, layout.channels);
    }
}

// Memory before and after an output is unchanged, whatever its alignment.
BOOST_AUTO_TEST_CASE(nothing_else_is_written) {
    const int64_t large = (int64_t{16} << 20) + 13, margin = 16;
    for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{8}, int64_t{31}, large}) {
        const Tensor x = random_tensor({n}, 6, -3, 3);
        const Grids g = grids_of({1, 1, n}, {-8, 7, true});
        const Tensor want = fake(x, g);
        for (const int64_t shift : {0, 1, 5, 8}) {  // 8 floats: aligned again
            Tensor room = Tensor::full({n + 2 * margin}, 99.0f);
            float* y = room.data<float>() + margin + shift;
            fake_quantize(Device::cpu(), x.data<float>(), g.layout, g.scale.data(),
                          g.zero_point.data(), g.range, y);
            BOOST_TEST(std::memcmp(y, want.raw(), want.bytes()) == 0, n << " from " << shift);
            float* end = room.data<float>() + room.numel();
            BOOST_TEST(std::count(room.data<float>(), y, 99.0f) == margin + shift);
            BOOST_TEST(std::count(y + n, end, 99.0f) == margin - shift);
        }
    }
}

// With the residual rne(x/s) - x/s frozen, x_hat has the slope that the estimator claims.
BOOST_AUTO_TEST_CASE(gradient_is_that_of_the_frozen_residual) {
    const double h = 1e-6, s = 0.3, z = 3, qmin = -8, qmax = 7;
    int inside = 0, outside = 0;
    for (int i = 0; i < 400; ++i) {
        const double x0 = -4 + 0.02 * i + 0.001, residual = std::rint(x0 / s) - x0 / s;
        const double code = std::rint(x0 / s) + z;
        const auto surrogate = [&](double x) {
            if (code < qmin) return s * (qmin - z);
            if (code > qmax) return s * (qmax - z);
            return s * (x / s + residual);
        };
        const double slope = (surrogate(x0 + h) - surrogate(x0 - h)) / (2 * h);
        const double claimed = straight_through_value<double>(x0, 1.5, s, z, qmin, qmax);
        BOOST_TEST(std::fabs(1.5 * slope - claimed) < 1e-8);
        (claimed != 0 ? inside : outside) += 1;
    }
    BOOST_TEST(inside > 100);
    BOOST_TEST(outside > 100);
}

namespace {

// All three kernels on one device, results on the CPU.
std::vector<Tensor> run_kernels(Device device) {
    const Shape shape{3, 11, 20011};
    std::vector<Tensor> results;
    for (const int axis : {-1, 0, 1, 2}) {
        const Grids g = grids_of(channel_layout(shape, axis), {0, 15, false});
        const Tensor x = random_tensor(shape, 7, -2, 2).to(device);
        const Tensor dy = random_tensor(shape, 8).to(device);
        const Shape each{g.layout.channels};
        const Tensor scale = Tensor::from(g.scale, each).to(device);
        const Tensor zero = Tensor::from(g.zero_point, each).to(device);
        const float* s = scale.data<float>();
        const int32_t* z = zero.data<int32_t>();
        Tensor codes = Tensor::empty(shape, DType::U8, device);
        Tensor x_hat = Tensor::empty(shape, DType::F32, device);
        Tensor dx = Tensor::empty(shape, DType::F32, device);
        quantize_codes(device, x.data<float>(), g.layout, s, z, g.range, codes.raw());
        fake_quantize(device, x.data<float>(), g.layout, s, z, g.range, x_hat.data<float>());
        straight_through_backward(device, x.data<float>(), dy.data<float>(), g.layout, s, z,
                                  g.range, dx.data<float>());
        for (const Tensor& t : {codes, x_hat, dx}) results.push_back(t.to(Device::cpu()));
    }
    return results;
}

}  // namespace

BOOST_AUTO_TEST_CASE(is_the_same_with_any_thread_count) {
    BOOST_TEST(same_with_threads([] { return run_kernels(Device::cpu()); }));
    const int64_t n = (int64_t{16} << 20) + 13;
    const Tensor x = random_tensor({n}, 9, -3, 3);
    const Grids g = grids_of({1, 1, n}, {-8, 7, true});
    BOOST_TEST(same_with_threads([&] { return std::vector<Tensor>{fake(x, g)}; }));
}

BOOST_AUTO_TEST_CASE(is_the_same_on_every_device) {
    if (cuda_device_count() == 0) {
        BOOST_TEST_MESSAGE("fake_quantize on cuda: not run, no GPU or no CUDA in this build");
        return;
    }
    const std::vector<Tensor> cpu = run_kernels(Device::cpu());
    const std::vector<Tensor> cuda = run_kernels(Device::cuda());
    for (size_t i = 0; i < cpu.size(); ++i) BOOST_TEST(same_bits(cuda[i], cpu[i]));
}

BOOST_AUTO_TEST_SUITE_END()
