// explain_requantize -- ./explain requantize: int32 accumulators rounded to a grid by one of the
// rules, step by step.
#pragma once

#include "run/explain/questions.h"

namespace gradus {

int explain_requantize(const RequantizeQuestion& question);

}  // namespace gradus
