#include "tensor/kernels/adamw.h"

#include <boost/test/unit_test.hpp>

#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(adamw, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_steps) {
    Tensor w = golden("adamw/w"), m = Tensor::zeros(w.shape()), v = Tensor::zeros(w.shape());
    const Tensor grads = golden("adamw/grads"), after = golden("adamw/after");
    const int64_t n = w.numel();
    for (int64_t step = 0; step < grads.shape()[0]; ++step) {
        const double t = static_cast<double>(step + 1);
        AdamwAttrs attrs{0.01f, 0.9f, 0.99f, 1e-8f, 0.1f};
        attrs.correction1 = static_cast<float>(1 - std::pow(0.9, t));
        attrs.sqrt_correction2 = static_cast<float>(std::sqrt(1 - std::pow(0.99, t)));
        adamw_step(Device::cpu(), attrs, grads.data<float>() + step * n, m.data<float>(),
                   v.data<float>(), w.data<float>(), n);
        const float* row = after.data<float>() + step * n;
        const Tensor want = Tensor::from(std::vector<float>(row, row + n), {n});
        BOOST_TEST(close(w, want, 1e-6), "step " << step);
    }
}

BOOST_AUTO_TEST_SUITE_END()
