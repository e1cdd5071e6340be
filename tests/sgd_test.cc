#include "tensor/kernels/sgd.h"

#include <boost/test/unit_test.hpp>

#include "tests/compare.h"
#include "tests/files.h"

using namespace gradus;

namespace {

void check_golden(const std::string& name, const SgdAttrs& attrs) {
    Tensor w = golden("sgd/" + name + "/w"), m = Tensor::zeros(w.shape());
    const Tensor grads = golden("sgd/" + name + "/grads"), after = golden("sgd/" + name + "/after");
    const int64_t n = w.numel();
    for (int64_t step = 0; step < grads.shape()[0]; ++step) {
        sgd_step(Device::cpu(), attrs, grads.data<float>() + step * n,
                 attrs.momentum != 0.0f ? m.data<float>() : nullptr, w.data<float>(), n);
        const float* row = after.data<float>() + step * n;
        const Tensor want = Tensor::from(std::vector<float>(row, row + n), {n});
        BOOST_TEST(close(w, want, 1e-6), name << " step " << step);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sgd, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(golden_steps) {
    check_golden("plain", {0.1f});
    check_golden("momentum", {0.1f, 0.9f, 0.01f, false});
    check_golden("nesterov", {0.1f, 0.9f, 0.01f, true});
}

BOOST_AUTO_TEST_CASE(momentum_without_its_buffer_is_refused) {
    BOOST_TEST(throws(ErrorKind::runtime, {"sgd", "buffer"}, [] {
        float w = 0, grad = 0;
        sgd_step(Device::cpu(), {0.1f, 0.9f}, &grad, nullptr, &w, 1);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
