// init -- first weights. Uniform draws with the standard deviation of the usual recipes, since a
// uniform number is the same on every machine (no libm).
#pragma once

#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace gradus {

// Variance 2 / (O KH KW): He et al., ICCV 2015, fan out, for w [O, KH, KW, I].
Tensor kaiming_fan_out(const Shape& w, const Rng& rng);
// Uniform in +-1 / sqrt(fan_in), as PyTorch's linear layers.
Tensor uniform_fan_in(const Shape& shape, int64_t fan_in, const Rng& rng);

}  // namespace gradus
