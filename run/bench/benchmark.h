// benchmark -- ./bench: a training step on synthetic input, images per second and peak memory; or
// the kernels of fake quantization (run/bench/fake_quantize_benchmark.h).
#pragma once

#include "run/bench/options.h"

namespace gradus {

// One warm process: forward, loss, backward, SGD with momentum on a fixed batch. Prints the median,
// the range and the peak resident set, as a line or (--json) as one object.
int run_benchmark(const BenchOptions& options);

}  // namespace gradus
