// LSQ: golden vectors, the frozen residual, the kernel on every device.
#include "quant/algorithms/lsq.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <tuple>
#include <vector>

#include "quant/hardware.h"
#include "quant/quantizer.h"
#include "tensor/cuda.h"
#include "tensor/parallel.h"
#include "tensor/rng.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(lsq, *boost::unit_test::label("unit"))

namespace {

const std::vector<float> golden_x{-5, -1, -.25, 0, .25, .75, 1.1, 3.4, 3.75, 9};

struct Outcome {
    std::vector<float> x_hat, dx;
    float ds, dz;
};

Outcome run(const std::vector<float>& x, float s, int32_t z, const CodeRange& range) {
    const int64_t n = static_cast<int64_t>(x.size());
    const ChannelLayout layout{1, 1, n};
    const std::vector<float> dy(n, 1.0f);
    Outcome out{std::vector<float>(n), std::vector<float>(n), 0, 0};
    lsq_backward(Device::cpu(), x.data(), dy.data(), layout, &s, &z, range, out.dx.data(), &out.ds,
                 &out.dz);
    for (int64_t i = 0; i < n; ++i) {
        const int32_t q = quantize_value(x[i], s, z, range.qmin, range.qmax);
        out.x_hat[i] = affine_value(q, z, s);
    }
    return out;
}

Quantizer make(const QuantFormat& format, const Shape& shape) {
    Quantizer q;
    q.name = "q";
    q.format = format;
    q.free_zero_point = !format.symmetric;
    q.algorithm = &find_algorithm("lsq");
    q.hardware = &find_hardware("onnxruntime");
    make_parameters(q, channel_count(format, shape));
    return q;
}

const QuantFormat free_format{.bits = 4, .is_signed = false, .symmetric = false};

Tensor random(const Shape& shape, uint64_t seed, float low, float high) {
    Tensor t = Tensor::empty(shape);
    for (int64_t i = 0; i < t.numel(); ++i) {
        t.data<float>()[i] = low + (high - low) * Rng(seed).uniform(i);
    }
    return t;
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_signed) {  // MQBench 2.1: z = 0, [-8, 7]
    const Outcome out = run(golden_x, 0.5f, 0, {-8, 7, true});
    const std::vector<float> x_hat{-4, -1, 0, 0, 0, 1, 1, 3.5, 3.5, 3.5};
    const std::vector<float> dx{0, 1, 1, 1, 1, 1, 1, 1, 0, 0};
    BOOST_TEST(out.x_hat == x_hat, boost::test_tools::per_element());
    BOOST_TEST(out.dx == dx, boost::test_tools::per_element());
    BOOST_CHECK_CLOSE(out.ds, 6.5f, 1e-4);
    BOOST_CHECK_CLOSE(out.dz, -1.5f, 1e-4);
}

BOOST_AUTO_TEST_CASE(golden_unsigned) {  // z = 3, [0, 15]
    const Outcome out = run(golden_x, 0.5f, 3, {0, 15, false});
    const std::vector<float> x_hat{-1.5, -1, 0, 0, 0, 1, 1, 3.5, 4, 6};
    const std::vector<float> dx{0, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    BOOST_TEST(out.x_hat == x_hat, boost::test_tools::per_element());
    BOOST_TEST(out.dx == dx, boost::test_tools::per_element());
    BOOST_CHECK_CLOSE(out.ds, 10.0f, 1e-4);
    BOOST_CHECK_CLOSE(out.dz, -1.0f, 1e-4);
}

BOOST_AUTO_TEST_CASE(gradient_scale_counts_the_elements_of_a_scale) {
    QuantFormat format;
    format.bits = 4;
    BOOST_CHECK_CLOSE(lsq_gradient_scale(make(format, {10}), {10}), 0.1195229f, 1e-4);
    format.channel_axis = 0;
    Quantizer q = make(format, {6, 10});
    BOOST_CHECK_CLOSE(lsq_gradient_scale(q, {6, 10}), 0.1195229f, 1e-4);
    BOOST_CHECK_CLOSE(lsq_gradient_scale(q, {6, 2, 5}), 0.1195229f, 1e-4);
    q.gradient_scale = 0.5f;
    BOOST_TEST(lsq_gradient_scale(q, {6, 10}) == 0.5f);
}

BOOST_AUTO_TEST_CASE(initial_scale_is_twice_the_mean_magnitude) {  // MQBench 1.7
    QuantFormat format;
    format.bits = 4;
    Quantizer q = make(format, {6});
    observe(q, Tensor::from(std::vector<float>{.9f, -.2f, .1f, -.5f, .3f, .4f}, {6}));
    BOOST_CHECK_CLOSE(q.parameter("scale").value.data<float>()[0], 0.3023716f, 1e-4);
}

// With the residual c = rne(v) - v frozen, the surrogate s (x/s + c), clipped like the code, has
// exactly the derivatives that LSQ claims.
BOOST_AUTO_TEST_CASE(gradient_is_that_of_the_frozen_residual) {
    const Rng rng(11);
    const double h = 1e-6;
    double worst = 0.0;
    int inside = 0, below = 0, above = 0;
    for (int i = 0; i < 3000; ++i) {
        const double x0 = 12.0 * rng.uniform(3 * i) - 6.0, s0 = 0.1 + rng.uniform(3 * i + 1);
        const double z = i % 2 ? 0.0 : 3.0, qmin = i % 2 ? -8.0 : 0.0, qmax = i % 2 ? 7.0 : 15.0;
        const double c = std::rint(x0 / s0) - x0 / s0;
        const double code = std::rint(x0 / s0) + z;
        (code < qmin ? below : code > qmax ? above : inside) += 1;
        const auto surrogate = [&](double x, double s, double zero) {
            if (code < qmin) return s * (qmin - zero);
            if (code > qmax) return s * (qmax - zero);
            return s * (x / s + c);
        };
        const auto terms = lsq_terms<double>(x0, 1.0, s0, z, qmin, qmax);
        const auto slope = [&](double dx, double ds, double dz) {
            return (surrogate(x0 + dx, s0 + ds, z + dz) - surrogate(x0 - dx, s0 - ds, z - dz)) /
                   (2 * h);
        };
        worst =
            std::max({worst, std::abs(slope(h, 0, 0) - terms.dx),
                      std::abs(slope(0, h, 0) - terms.d0), std::abs(slope(0, 0, h) - terms.d1)});
    }
    BOOST_TEST(worst < 1e-7);
    BOOST_TEST(inside > 100);
    BOOST_TEST(below > 100);
    BOOST_TEST(above > 100);
}

BOOST_AUTO_TEST_CASE(float_kernel_equals_its_formula_in_double) {
    const Tensor x = random({3, 5000}, 1, -3, 3), dy = random({3, 5000}, 2, -1, 1);
    const std::vector<float> s{0.1f, 0.33f, 0.7f};
    const std::vector<int32_t> z{2, 2, 2};
    const CodeRange range{-8, 7, true};
    Tensor dx = Tensor::empty(x.shape());
    std::vector<float> ds(3), dz(3);
    lsq_backward(Device::cpu(), x.data<float>(), dy.data<float>(), {1, 3, 5000}, s.data(), z.data(),
                 range, dx.data<float>(), ds.data(), dz.data());
    for (int c = 0; c < 3; ++c) {
        double sum_s = 0, sum_z = 0, magnitude = 0;
        for (int i = c * 5000; i < (c + 1) * 5000; ++i) {
            // The float quotient, so that ties fall on the same side.
            const auto t =
                lsq_terms<float>(x.data<float>()[i], dy.data<float>()[i], s[c], 2, -8, 7);
            BOOST_REQUIRE_EQUAL(dx.data<float>()[i], t.dx);
            sum_s += t.d0;
            sum_z += t.d1;
            magnitude += std::fabs(t.d0) + std::fabs(t.d1);
        }
        // 32 additions a lane, each within half an ulp of the partial sum.
        BOOST_TEST(std::fabs(ds[c] - sum_s) <= 33 * 0x1p-24 * magnitude);
        BOOST_TEST(std::fabs(dz[c] - sum_z) <= 33 * 0x1p-24 * magnitude);
    }
}

BOOST_AUTO_TEST_CASE(a_scale_is_projected_to_positive) {
    QuantFormat format;
    Quantizer q = make(format, {4});
    q.parameter("scale").value.data<float>()[0] = -0.25f;
    q.algorithm->project(q);
    BOOST_TEST(q.parameter("scale").value.data<float>()[0] == 0.25f);
    q.parameter("scale").value.data<float>()[0] = 0.0f;
    q.algorithm->project(q);
    BOOST_TEST(q.parameter("scale").value.data<float>()[0] == kScaleFloor);
}

BOOST_AUTO_TEST_CASE(a_zero_point_is_projected_onto_the_codes) {
    Quantizer q = make(free_format, {4});
    for (const auto& [z, kept] : {std::pair{-3.0f, 0.0f}, {17.5f, 15.0f}, {3.4f, 3.4f}}) {
        q.parameter("zero_point").value.data<float>()[0] = z;
        q.algorithm->project(q);
        BOOST_TEST(q.parameter("zero_point").value.data<float>()[0] == kept);
        BOOST_TEST(q.grid().zero_point.data<int32_t>()[0] == std::rint(kept));
    }
}

// The zero point starts with its scale from the range (docs/decisions/004); the released code
// leaves it at zero, and takes z from the minimum only if no value is negative.
BOOST_AUTO_TEST_CASE(first_zero_point_in_both_readings) {
    const Tensor both = Tensor::from(std::vector<float>{.9f, -.2f, .1f, -.5f, .3f, .4f}, {6});
    const Tensor positive = Tensor::from(std::vector<float>{.9f, .2f, .1f, .5f, .3f, .4f}, {6});
    struct Case {
        Reading reading;
        const Tensor& x;
        double scale, zero_point;
    };
    const double norm = 2.0 * 0.4 / std::sqrt(15.0);
    for (const Case& c : {Case{Reading::paper, both, 1.4 / 15, 5},
                          {Reading::code, both, norm, 0},
                          {Reading::paper, positive, 0.9 / 15, 0},
                          {Reading::code, positive, norm, 0}}) {
        Quantizer q = make(free_format, {6});
        q.reading = c.reading;
        observe(q, c.x);
        BOOST_CHECK_CLOSE(double{q.parameter("scale").value.data<float>()[0]}, c.scale, 1e-4);
        BOOST_TEST(q.parameter("zero_point").value.data<float>()[0] == c.zero_point);
    }
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
    const Tensor x = random({200000}, 7, -2, 2), dy = random({200000}, 8, -1, 1);
    const float s = 0.21f;
    const int32_t z = 0;
    std::vector<float> results;
    const int before = thread_count();
    for (int threads : {1, 2, 3}) {
        set_thread_count(threads);
        Tensor dx = Tensor::empty(x.shape());
        float ds = 0, dz = 0;
        lsq_backward(Device::cpu(), x.data<float>(), dy.data<float>(), {1, 1, 200000}, &s, &z,
                     {-8, 7, true}, dx.data<float>(), &ds, &dz);
        results.push_back(ds);
    }
    set_thread_count(before);
    BOOST_TEST(results[0] == results[1]);
    BOOST_TEST(results[0] == results[2]);
}

// Runs only with a GPU: codes and dx to the bit, the sums within their bound.
BOOST_AUTO_TEST_CASE(cuda_gives_the_codes_and_gradients_of_the_cpu) {
    const Tensor x = random({3, 70000}, 21, -2, 2), dy = random({3, 70000}, 22, -1, 1);
    const Tensor scale = Tensor::from(std::vector<float>{0.07f, 0.2f, 0.31f}, {3});
    const ChannelLayout layout{1, 3, 70000};
    const Tensor zeros = Tensor::from(std::vector<int32_t>{2, 0, -3}, {3});
    const CodeRange range{-8, 7, true};
    const auto on = [&](Device device) {
        const Tensor dx_in = x.to(device), dy_in = dy.to(device), s = scale.to(device),
                     z = zeros.to(device);
        Tensor codes = Tensor::empty(x.shape(), DType::I8, device);
        Tensor dx = Tensor::empty(x.shape(), DType::F32, device);
        Tensor sums = Tensor::empty({6}, DType::F32, device);
        quantize_codes(device, dx_in.data<float>(), layout, s.data<float>(), z.data<int32_t>(),
                       range, codes.raw());
        lsq_backward(device, dx_in.data<float>(), dy_in.data<float>(), layout, s.data<float>(),
                     z.data<int32_t>(), range, dx.data<float>(), sums.data<float>(),
                     sums.data<float>() + 3);
        return std::tuple{codes.to_vector<int8_t>(), dx.to_vector<float>(),
                          sums.to_vector<float>()};
    };
    const auto [codes, dx, sums] = on(Device::cpu());
    BOOST_TEST(codes.size() == 210000u);
    if (cuda_device_count() == 0) {
        BOOST_TEST_MESSAGE("lsq: no GPU here, the CUDA kernels are compiled and not run");
        return;
    }
    const auto [gpu_codes, gpu_dx, gpu_sums] = on(Device::cuda());
    BOOST_TEST((codes == gpu_codes));
    BOOST_TEST((dx == gpu_dx));
    for (int i = 0; i < 6; ++i) BOOST_TEST(std::fabs(sums[i] - gpu_sums[i]) < 0.02);
}

// Channels that training left at zero do not get a scale that makes their bias overflow int32.
BOOST_AUTO_TEST_CASE(dead_channels_start_near_the_scale_of_the_others) {
    const QuantFormat format{.bits = 8, .channel_axis = 0};
    const Tensor weights = Tensor::from<float>({1.0f, -0.5f, 0.0f, 3e-9f, 1e-3f, 0.0f}, {3, 2});
    for (const char* calibration : {"own", "minmax", "mse"}) {
        Quantizer q = make(format, {3, 2});
        q.calibration = calibration_of(calibration);
        observe(q, weights);
        const float* scale = q.values_of("scale");
        BOOST_TEST(scale[1] == scale[0] * 0x1p-16f);
        BOOST_TEST(scale[2] < scale[0] * 0x1p-8f);
    }
}

BOOST_AUTO_TEST_SUITE_END()
