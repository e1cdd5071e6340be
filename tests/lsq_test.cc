// LSQ: golden vectors, the frozen residual, and the three promises of every quantizer.
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

BOOST_AUTO_TEST_SUITE(lsq)

namespace {

const std::vector<float> golden_x{-5, -1, -.25, 0, .25, .75, 1.1, 3.4, 3.75, 9};

struct Outcome {
    std::vector<float> x_hat, dx;
    float ds, dz;
};

Outcome run(const std::vector<float>& x, float s, const CodeRange& range) {
    const int64_t n = static_cast<int64_t>(x.size());
    const ChannelLayout layout{1, 1, n};
    const std::vector<float> dy(n, 1.0f);
    Outcome out{std::vector<float>(n), std::vector<float>(n), 0, 0};
    lsq_backward(Device::cpu(), x.data(), dy.data(), layout, &s, range, out.dx.data(), &out.ds,
                 &out.dz);
    for (int64_t i = 0; i < n; ++i) {
        const int32_t q = quantize_value(x[i], s, range.zero_point, range.qmin, range.qmax);
        out.x_hat[i] = affine_value(q, range.zero_point, s);
    }
    return out;
}

Quantizer make(const QuantFormat& format, const Shape& shape, bool learn_zero) {
    Quantizer q;
    q.name = "q";
    q.format = format;
    q.learn_zero_point = learn_zero;
    q.algorithm = &find_algorithm("lsq");
    q.hardware = &find_hardware("onnxruntime");
    for (const std::string& suffix : q.algorithm->parameters(q)) {
        auto parameter = std::make_shared<Parameter>();
        parameter->name = "q." + suffix;
        parameter->value = Tensor::full({channel_count(format, shape)}, 1.0f);
        q.parameters.push_back(parameter);
    }
    return q;
}

Tensor random(const Shape& shape, uint64_t seed, float low, float high) {
    Tensor t = Tensor::empty(shape);
    for (int64_t i = 0; i < t.numel(); ++i) {
        t.data<float>()[i] = low + (high - low) * Rng(seed).uniform(i);
    }
    return t;
}

// Every combination of format that the algorithm allows.
std::vector<std::pair<QuantFormat, bool>> combinations() {
    std::vector<std::pair<QuantFormat, bool>> all;
    for (int bits : {2, 3, 4, 8}) {
        for (bool is_signed : {true, false}) {
            for (int axis : {-1, 0}) {
                for (bool pot : {false, true}) {
                    QuantFormat format;
                    format.bits = bits;
                    format.is_signed = is_signed;
                    format.channel_axis = axis;
                    format.power_of_two = pot;
                    all.push_back({format, false});
                    if (axis >= 0) continue;
                    format.symmetric = false;
                    all.push_back({format, true});
                }
            }
        }
    }
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(golden_signed) {  // MQBench 2.1: z = 0, [-8, 7]
    const Outcome out = run(golden_x, 0.5f, {0, -8, 7, true});
    const std::vector<float> x_hat{-4, -1, 0, 0, 0, 1, 1, 3.5, 3.5, 3.5};
    const std::vector<float> dx{0, 1, 1, 1, 1, 1, 1, 1, 0, 0};
    BOOST_TEST(out.x_hat == x_hat, boost::test_tools::per_element());
    BOOST_TEST(out.dx == dx, boost::test_tools::per_element());
    BOOST_CHECK_CLOSE(out.ds, 6.5f, 1e-4);
    BOOST_CHECK_CLOSE(out.dz, -1.5f, 1e-4);
}

BOOST_AUTO_TEST_CASE(golden_unsigned) {  // z = 3, [0, 15]
    const Outcome out = run(golden_x, 0.5f, {3, 0, 15, false});
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
    BOOST_CHECK_CLOSE(lsq_gradient_scale(format, {10}), 0.1195229f, 1e-4);
    format.channel_axis = 0;
    BOOST_CHECK_CLOSE(lsq_gradient_scale(format, {6, 10}), 0.1195229f, 1e-4);
    BOOST_CHECK_CLOSE(lsq_gradient_scale(format, {6, 2, 5}), 0.1195229f, 1e-4);
}

BOOST_AUTO_TEST_CASE(initial_scale_is_twice_the_mean_magnitude) {  // MQBench 1.7
    QuantFormat format;
    format.bits = 4;
    Quantizer q = make(format, {6}, false);
    q.algorithm->initialise(q,
                            Tensor::from(std::vector<float>{.9f, -.2f, .1f, -.5f, .3f, .4f}, {6}));
    BOOST_CHECK_CLOSE(q.parameter("scale").value.data<float>()[0], 0.3023716f, 1e-4);
}

// With the residual c = rne(v) - v frozen, the surrogate s (x/s + c), clipped where the code is,
// has exactly the derivatives that LSQ claims.
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
                      std::abs(slope(0, h, 0) - terms.ds), std::abs(slope(0, 0, h) - terms.dz)});
    }
    BOOST_TEST(worst < 1e-7);
    BOOST_TEST(inside > 100);
    BOOST_TEST(below > 100);
    BOOST_TEST(above > 100);
}

BOOST_AUTO_TEST_CASE(float_kernel_equals_its_formula_in_double) {
    const Tensor x = random({3, 5000}, 1, -3, 3), dy = random({3, 5000}, 2, -1, 1);
    const std::vector<float> s{0.1f, 0.33f, 0.7f};
    const CodeRange range{2, -8, 7, true};
    Tensor dx = Tensor::empty(x.shape());
    std::vector<float> ds(3), dz(3);
    lsq_backward(Device::cpu(), x.data<float>(), dy.data<float>(), {1, 3, 5000}, s.data(), range,
                 dx.data<float>(), ds.data(), dz.data());
    for (int c = 0; c < 3; ++c) {
        double sum_s = 0, sum_z = 0, magnitude = 0;
        for (int i = c * 5000; i < (c + 1) * 5000; ++i) {
            // The float quotient, so that ties fall on the same side.
            const auto t =
                lsq_terms<float>(x.data<float>()[i], dy.data<float>()[i], s[c], 2, -8, 7);
            BOOST_REQUIRE_EQUAL(dx.data<float>()[i], t.dx);
            sum_s += t.ds;
            sum_z += t.dz;
            magnitude += std::fabs(t.ds) + std::fabs(t.dz);
        }
        // 32 additions a lane, each within half an ulp of the partial sum.
        BOOST_TEST(std::fabs(ds[c] - sum_s) <= 33 * 0x1p-24 * magnitude);
        BOOST_TEST(std::fabs(dz[c] - sum_z) <= 33 * 0x1p-24 * magnitude);
    }
}

BOOST_AUTO_TEST_CASE(the_three_promises_hold_for_every_combination) {
    const Tensor x = random({6, 50}, 3, -2, 2), dy = random({6, 50}, 4, -1, 1);
    for (const auto& [format, learn_zero] : combinations()) {
        BOOST_TEST_CONTEXT(describe(format)) {
            Quantizer q = make(format, x.shape(), learn_zero);
            q.algorithm->initialise(q, x);
            q.algorithm->project(q);
            const Grid grid = q.algorithm->grid(q);
            const Affine codes = quantize_to_grid(x, grid, format);
            const Tensor x_hat = dequantize(codes);
            const QuantizerGrads grads = q.algorithm->backward(q, grid, x, dy);
            const float g = lsq_gradient_scale(format, x.shape());
            std::vector<double> ds(grid.scale.numel());
            const int32_t z = grid.zero_point.data<int32_t>()[0];
            for (int64_t i = 0; i < x.numel(); ++i) {
                const int64_t c = format.per_channel() ? i / 50 : 0;
                const float s = grid.scale.data<float>()[c], v = x.data<float>()[i];
                const int32_t code = format.is_signed ? int32_t{codes.codes.data<int8_t>()[i]}
                                                      : int32_t{codes.codes.data<uint8_t>()[i]};
                // On the grid, and dequantize(codes) to the bit.
                BOOST_REQUIRE(code >= format.qmin() && code <= format.qmax());
                BOOST_REQUIRE_EQUAL(x_hat.data<float>()[i], s * static_cast<float>(code - z));
                BOOST_REQUIRE_EQUAL(code, quantize_value(v, s, z, format.qmin(), format.qmax()));
                const auto t =
                    lsq_terms<double>(v, dy.data<float>()[i], s, z, format.qmin(), format.qmax());
                BOOST_REQUIRE_EQUAL(grads.dx.data<float>()[i], static_cast<float>(t.dx));
                ds[c] += t.ds * g;
            }
            for (size_t c = 0; c < ds.size(); ++c) {
                const float s = grid.scale.data<float>()[c];
                const float raw = q.parameter("scale").value.data<float>()[c];
                if (format.power_of_two) {
                    ds[c] *= s / raw;
                    BOOST_TEST(std::exp2(std::rint(std::log2(s))) == s);
                }
                BOOST_TEST(std::fabs(grads.parameters[0].data<float>()[c] - ds[c]) < 1e-4);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(per_channel_is_a_loop_of_per_tensor) {
    const Tensor x = random({4, 3, 7}, 5, -2, 2), dy = random({4, 3, 7}, 6, -1, 1);
    for (int axis : {0, 1, 2}) {
        QuantFormat format;
        format.bits = 3;
        format.channel_axis = axis;
        const ChannelLayout layout = channel_layout(x.shape(), axis);
        Quantizer all = make(format, x.shape(), false);
        all.algorithm->initialise(all, x);
        const auto grads = all.algorithm->backward(all, all.algorithm->grid(all), x, dy);
        format.channel_axis = -1;
        for (int64_t c = 0; c < layout.channels; ++c) {
            std::vector<float> xc, dyc;
            for (int64_t i = 0; i < x.numel(); ++i) {
                if (i / layout.inner % layout.channels != c) continue;
                xc.push_back(x.data<float>()[i]);
                dyc.push_back(dy.data<float>()[i]);
            }
            const Shape shape{static_cast<int64_t>(xc.size())};
            Quantizer one = make(format, shape, false);
            one.algorithm->initialise(one, Tensor::from(xc, shape));
            BOOST_TEST(one.parameter("scale").value.data<float>()[0] ==
                       all.parameter("scale").value.data<float>()[c]);
            const auto single = one.algorithm->backward(
                one, one.algorithm->grid(one), Tensor::from(xc, shape), Tensor::from(dyc, shape));
            BOOST_CHECK_CLOSE(single.parameters[0].data<float>()[0],
                              grads.parameters[0].data<float>()[c], 1e-3);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_scale_is_projected_to_positive) {
    QuantFormat format;
    Quantizer q = make(format, {4}, false);
    q.parameter("scale").value.data<float>()[0] = -0.25f;
    q.algorithm->project(q);
    BOOST_TEST(q.parameter("scale").value.data<float>()[0] == 0.25f);
    q.parameter("scale").value.data<float>()[0] = 0.0f;
    q.algorithm->project(q);
    BOOST_TEST(q.parameter("scale").value.data<float>()[0] == kScaleFloor);
}

BOOST_AUTO_TEST_CASE(bits_do_not_depend_on_threads) {
    const Tensor x = random({200000}, 7, -2, 2), dy = random({200000}, 8, -1, 1);
    const float s = 0.21f;
    std::vector<float> results;
    const int before = thread_count();
    for (int threads : {1, 2, 3}) {
        set_thread_count(threads);
        Tensor dx = Tensor::empty(x.shape());
        float ds = 0, dz = 0;
        lsq_backward(Device::cpu(), x.data<float>(), dy.data<float>(), {1, 1, 200000}, &s,
                     {0, -8, 7, true}, dx.data<float>(), &ds, &dz);
        results.push_back(ds);
    }
    set_thread_count(before);
    BOOST_TEST(results[0] == results[1]);
    BOOST_TEST(results[0] == results[2]);
}

// Runs where a GPU is: codes and dx to the bit, the sums within their bound.
BOOST_AUTO_TEST_CASE(cuda_gives_the_codes_and_gradients_of_the_cpu) {
    const Tensor x = random({3, 70000}, 21, -2, 2), dy = random({3, 70000}, 22, -1, 1);
    const Tensor scale = Tensor::from(std::vector<float>{0.07f, 0.2f, 0.31f}, {3});
    const ChannelLayout layout{1, 3, 70000};
    const CodeRange range{2, -8, 7, true};
    const auto on = [&](Device device) {
        const Tensor dx_in = x.to(device), dy_in = dy.to(device), s = scale.to(device);
        Tensor codes = Tensor::empty(x.shape(), DType::I8, device);
        Tensor dx = Tensor::empty(x.shape(), DType::F32, device);
        Tensor sums = Tensor::empty({6}, DType::F32, device);
        quantize_codes(device, dx_in.data<float>(), layout, s.data<float>(), range, codes.raw());
        lsq_backward(device, dx_in.data<float>(), dy_in.data<float>(), layout, s.data<float>(),
                     range, dx.data<float>(), sums.data<float>(), sums.data<float>() + 3);
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

BOOST_AUTO_TEST_SUITE_END()
