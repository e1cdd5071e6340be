// deploy -- ./deploy: a finished run in integers, layer by layer, and golden bundles.
#pragma once

#include "run/deploy/options.h"

namespace gradus {

// The exit code: 0, or 1 if the exact simulation and the integers differ anywhere, or a bundle does
// not replay. Every other failure is an Error.
int run_deploy(const DeployOptions& options);

}  // namespace gradus
