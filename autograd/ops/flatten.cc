#include "autograd/ops.h"

namespace gradus {

namespace {

// True for scales along the channels if the other extents are 1, and always for scales along the
// first axis.
bool keeps_its_axis(const Affine& term) {
    const Shape& shape = term.shape();
    if (!term.per_channel() || term.axis == 0) return true;
    const bool last = term.axis == -1 || term.axis == shape.rank() - 1;
    return last && shape.numel() == shape[0] * shape[-1];
}

bool reshapes(const Exact& value) {
    for (const Affine& term : value.terms) {
        if (!keeps_its_axis(term)) return false;
    }
    return true;
}

}  // namespace

Variable flatten(const Variable& x) {
    const Shape from = x.shape();
    check(from.rank() >= 1 && from[0] > 0, "flatten: needs a batch [N, ...], got ", from);
    const Shape to{from[0], from.numel() / from[0]};
    Variable y;
    if (x.exact() && reshapes(*x.exact())) {
        Exact value = *x.exact();
        for (Affine& term : value.terms) {
            term.codes = term.codes.reshape(to);
            if (term.per_channel() && term.axis != 0) term.axis = -1;
        }
        y = Variable(std::move(value));
    } else {
        y = Variable(x.data().reshape(to));
    }
    return record("flatten", y, {x},
                  [from](const Tensor& dy) -> Grads { return {dy.reshape(from)}; });
}

}  // namespace gradus
