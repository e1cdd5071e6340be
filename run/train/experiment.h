// experiment -- the whole chain of ./train: float network, calibration, quantized training,
// lowering, both executions, report.
#pragma once

#include "run/train/options.h"

namespace gradus {

// The exit code: 0, or 1 if the exact simulation and the integers differ anywhere. Every other
// failure is an Error.
int run_experiment(const Options& options, int argc, const char* const* argv);

}  // namespace gradus
