// saved -- what a backward reads again of an operator's input.
#pragma once

#include "autograd/variable.h"

namespace gradus {

// The value without its past: codes stay codes, and data() is their float view when it is needed.
inline Variable saved_value(const Variable& x) {
    return x.exact() ? Variable(*x.exact()) : Variable(x.data());
}

}  // namespace gradus
