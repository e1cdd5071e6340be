// lower -- turns the quantized inference graph into a Program.
#pragma once

#include "integer/program.h"
#include "quant/prepare.h"

namespace gradus {

// Reads the quantizers' current state. Fails, naming the node, if the hardware has no integer rule
// for it and does not compute in float there; also if its library refuses a scale, or an
// accumulator may overflow int32 (integer/accumulators.h).
Program lower(const QuantizedModel& model);

}  // namespace gradus
