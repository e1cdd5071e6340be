// The algorithms' rows, one declaration each; quantizer.cc lists them.
#pragma once

#include "quant/quantizer.h"

namespace gradus {

extern const Algorithm lsq_algorithm;

}  // namespace gradus
