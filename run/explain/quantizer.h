// explain_quantizer -- ./explain quantizer: the real quantizer on an array from a file; without a
// file, its staircase and its gradient.
#pragma once

#include "run/explain/questions.h"

namespace gradus {

int explain_quantizer(const QuantizerQuestion& question);

}  // namespace gradus
