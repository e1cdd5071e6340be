// fake_quantize_benchmark -- the quantizers' elementwise kernels next to memcpy of the same bytes.
#pragma once

#include "run/bench/options.h"

namespace gradus {

// Fake quantization, its straight-through gradient and the codes of one float tensor take turns
// with memcpy in one run, on buffers that were written before. Prints medians and their ratios to
// memcpy, as a table or (--json) as one object.
int benchmark_fake_quantize(const BenchOptions& options);

}  // namespace gradus
