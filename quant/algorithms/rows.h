// The algorithms' rows, one declaration each; quantizer.cc lists them.
#pragma once

#include "quant/quantizer.h"

namespace gradus {

extern const Algorithm lsq_algorithm;
extern const Algorithm lsq_plus_algorithm;
extern const Algorithm pact_algorithm;
extern const Algorithm dorefa_algorithm;
extern const Algorithm dsq_algorithm;
extern const Algorithm qil_algorithm;
extern const Algorithm apot_algorithm;
extern const Algorithm minmax_algorithm;
extern const Algorithm tqt_algorithm;

}  // namespace gradus
