// answers -- requests that ./train answers without running: lists, the summary, the dry run.
#pragma once

#include "run/train/options.h"

namespace gradus {

// Prints the lists that --list-models, --list-algos, --list-datasets and --list-hardware ask for;
// false if none was asked for.
bool answered(const Options& options);
// Prints what --summary or --dry-run asks for; false if neither was given.
bool previewed(const Options& options);

}  // namespace gradus
