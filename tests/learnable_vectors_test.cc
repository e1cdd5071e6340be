// LSQ with learned scales and zero points next to PyTorch's _fake_quantize_learnable_* operators:
// values, and the gradients of the input, the scale and the zero point.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "quant/hardware.h"
#include "quant/quantizer.h"
#include "tests/fake_quantize_golden.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(learnable_vectors, *boost::unit_test::label("unit"))

namespace {

QuantFormat format_of(const FakeQuantizeGolden& all, int64_t k) {
    const CodeRange range = all.range(k);
    QuantFormat format;
    format.is_signed = range.is_signed;
    format.symmetric = false;
    format.channel_axis = all.axis();
    for (format.bits = 2; format.qmax() != range.qmax;) ++format.bits;
    BOOST_REQUIRE(format.qmin() == range.qmin);
    return format;
}

// An LSQ quantizer with the parameters and the gradient scale of case k.
Quantizer quantizer_of(const FakeQuantizeGolden& all, int64_t k) {
    Quantizer q;
    q.name = "q";
    q.format = format_of(all, k);
    q.free_zero_point = true;
    q.algorithm = &find_algorithm("lsq");
    q.hardware = &find_hardware("onnxruntime");
    q.gradient_scale = all.grad_factor(k);
    make_parameters(q, all.layout().channels);
    q.parameter("scale").value.copy_from(all.row("scale", k));
    q.parameter("zero_point").value.copy_from(all.row("learned_zero_point", k));
    q.algorithm->project(q);
    return q;
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_pytorch) {
    for (const std::string folder : {"tensor", "channel0", "channel1", "channel2"}) {
        const FakeQuantizeGolden all(folder);
        for (int64_t k = 0; k < all.cases(); ++k) {
            BOOST_TEST_CONTEXT(folder << ' ' << k) {
                const Quantizer q = quantizer_of(all, k);
                const Grid grid = q.grid();
                const Tensor x = all.row("x", k);
                BOOST_TEST(close(values_of(q, grid, x), all.row("learned_y", k), 0));
                BOOST_TEST(close(dequantize(codes_of(q, grid, x)), all.row("learned_y", k), 0));
                if (all.gradient_uses_another_zero_point(k)) continue;
                const auto grads = q.algorithm->backward(q, grid, x, all.row("dy", k));
                BOOST_REQUIRE(grads.parameters.size() == 2u);
                BOOST_TEST(close(grads.dx, all.row("learned_dx", k), 0));
                // Sums of at most 60 terms in float, in another order.
                BOOST_TEST(close(grads.parameters[0], all.row("learned_ds", k), 5e-6));
                BOOST_TEST(close(grads.parameters[1], all.row("learned_dz", k), 5e-6));
            }
        }
    }
}

// x = (k + 1/2) s, with a separate scale for each element. If z is even PyTorch's gradient agrees;
// if it is odd it rounds z + x / s at once, to another code than its forward pass, and every
// residual has the other sign (tests/fake_quantize_test.cc tests the mask).
BOOST_AUTO_TEST_CASE(at_ties_the_gradients_are_those_of_the_codes_in_use) {
    const FakeQuantizeGolden all("ties");
    for (int64_t k = 0; k < all.cases(); ++k) {
        BOOST_TEST_CONTEXT("case " << k) {
            const Quantizer q = quantizer_of(all, k);
            const Grid grid = q.grid();
            const Tensor x = all.row("x", k);
            const auto grads = q.algorithm->backward(q, grid, x, all.row("dy", k));
            const Tensor x_hat = values_of(q, grid, x);
            BOOST_TEST(close(x_hat, all.row("learned_y", k), 0));
            BOOST_TEST(close(grads.dx, all.row("dx", k), 0));
            int other_residuals = 0, other_slopes = 0;
            for (int64_t i = 0; i < x.numel(); ++i) {
                const float ours = grads.parameters[0].data<float>()[i];
                const float torch = all.row("learned_ds", k).data<float>()[i];
                if (grads.dx.data<float>()[i] == 1.0f) {  // inside: ds = (x_hat - x) / s
                    BOOST_TEST(ours == (x_hat.data<float>()[i] - x.data<float>()[i]) * 4.0f);
                    other_residuals += ours == -torch;
                }
                other_slopes += ours != torch;
            }
            const bool odd = grid.zero_point.data<int32_t>()[0] % 2 != 0;
            BOOST_TEST(other_residuals == (odd ? 15 : 0));
            BOOST_TEST(other_slopes == (odd ? 17 : 0));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
