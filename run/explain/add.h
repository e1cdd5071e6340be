// explain_add -- ./explain add: two arrays of codes added by the rule of a hardware, step by step.
#pragma once

#include "run/explain/questions.h"

namespace gradus {

int explain_add(const AddQuestion& question);

}  // namespace gradus
