// explain_average -- ./explain average: sums of codes rescaled to the codes' grid by the rule of a
// hardware, step by step.
#pragma once

#include "run/explain/questions.h"

namespace gradus {

int explain_average(const AverageQuestion& question);

}  // namespace gradus
