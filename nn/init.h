// init -- initial weights. Uniform draws with the standard deviation of the usual recipes, since a
// uniform number is the same on every machine (no libm).
#pragma once

#include "tensor/rng.h"
#include "tensor/tensor.h"

namespace gradus {

// The filters that count in the fan out of a grouped convolution: all (PyTorch's kaiming_normal_),
// or those of one group, 1 for a depthwise convolution (TensorFlow's EfficientNet).
enum class FanOut { all_groups, one_group };

// Variance 2 / (O / groups KH KW): He et al., ICCV 2015, fan out, for w [O, KH, KW, I].
Tensor kaiming_fan_out(const Shape& w, const Rng& rng, int64_t groups = 1);
// Uniform in +-bound: standard deviation bound / sqrt(3).
Tensor uniform_within(const Shape& shape, double bound, const Rng& rng);
// Uniform in +-1 / sqrt(fan_in), as PyTorch's linear layers.
Tensor uniform_fan_in(const Shape& shape, int64_t fan_in, const Rng& rng);

}  // namespace gradus
