// loader_benchmark -- ./bench --loader: how fast photographs become batches.
#pragma once

#include "run/bench/options.h"

namespace gradus {

// An epoch over the training images of a folder: decode, random resized crop to --image-size, flip,
// normalise, without a network. Images a second, with --threads threads; 0 is the exit code.
int benchmark_loader(const BenchOptions& options);

}  // namespace gradus
