// requantize_exact -- the exact values between two quantizers, put on the next grid by the rule of
// the hardware. The simulation's half; integer/execute.cc has its own.
#pragma once

#include "quant/hardware.h"
#include "quant/quantizer.h"

namespace gradus {

// Whether `hardware` has a rule for this value; without one the float view is quantized.
bool has_rule(const Hardware& hardware, const Exact& value);

// One int32 term: an accumulator by the requantization rule. Two terms of codes: the add rule.
// The clamps of ReLU and ReLU6 act at the output: lo = max(qmin, z), hi = min(qmax, z + rne(6/s)).
Affine requantize(const Hardware& hardware, const Exact& value, const Grid& grid,
                  const QuantFormat& format);

// The average of codes, put back on the codes' own grid (count > 1, one term) by the pool rule.
Affine requantize_average(const Hardware& hardware, const Affine& sums, const Grid& grid,
                          const QuantFormat& format);

// The output range that a clamp of real values leaves of a grid.
CodeBounds clamp_bounds(float lower, float upper, const Grid& grid, const QuantFormat& format);

}  // namespace gradus
