// answers -- what ./train answers without running: lists, the summary, the dry run.
#pragma once

#include "run/train/options.h"

namespace gradus {

// --list-models, --list-algos, --list-datasets, --list-hardware: prints them; false if none was
// asked for.
bool answered(const Options& options);
// --summary, --dry-run: prints what would be run; false if neither was asked for.
bool previewed(const Options& options);

}  // namespace gradus
