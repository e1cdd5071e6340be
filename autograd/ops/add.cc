#include "tensor/kernels/add.h"

#include "autograd/ops.h"

namespace gradus {

namespace {

bool single_unclamped(const Variable& x) {
    return x.exact() && x.exact()->terms.size() == 1 && !x.exact()->clamped();
}

Variable sum(const Variable& a, const Variable& b) {
    if (single_unclamped(a) && single_unclamped(b)) {
        Exact y;
        y.terms = {a.exact()->terms[0], b.exact()->terms[0]};
        // Puts accumulators first: rules identify a sum by its terms, and additions commute.
        if (y.terms[1].codes.dtype() == DType::I32) std::swap(y.terms[0], y.terms[1]);
        return Variable(std::move(y));
    }
    const Tensor left = a.data();
    const Tensor right = b.data();
    Tensor y = Tensor::empty(left.shape(), DType::F32, left.device());
    add_forward(y.device(), left.data<float>(), right.data<float>(), y.data<float>(), y.numel());
    return Variable(y);
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
    check(a.shape() == b.shape(), "add: shapes must be equal; got ", a.shape(), " and ", b.shape());
    return record("add", sum(a, b), {a, b}, [](const Tensor& dy) -> Grads { return {dy, dy}; });
}

}  // namespace gradus
