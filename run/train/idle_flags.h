// idle_flags -- flags given on the command line that have no effect in this run.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "run/train/options.h"

namespace gradus {

// One line for each reason: "--momentum and --nesterov have no effect with --opt adamw". Counts
// only flags of the command line: a recipe may hold options for other runs.
std::vector<std::string> idle_flags(const Options& options, const DatasetFacts& data);

}  // namespace gradus
