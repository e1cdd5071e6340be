// lower -- from the quantized inference graph to a Program.
#pragma once

#include "integer/program.h"
#include "quant/prepare.h"

namespace gradus {

// Reads the quantizers as they are now. What the hardware has no integer rule for is an error that
// names the node, unless the hardware computes in float there; so are scales that its library
// refuses and an accumulator that may leave int32 (integer/accumulators.h).
Program lower(const QuantizedModel& model);

}  // namespace gradus
