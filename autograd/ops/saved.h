// saved -- an operator's input, stored for the backward pass.
#pragma once

#include "autograd/variable.h"

namespace gradus {

// The value without its history: codes stay codes, and data() makes their float view on demand.
inline Variable saved_value(const Variable& x) {
    return x.exact() ? Variable(*x.exact()) : Variable(x.data());
}

}  // namespace gradus
