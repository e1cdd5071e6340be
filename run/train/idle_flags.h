// idle_flags -- flags given on the command line that have no effect in this run.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "run/train/options.h"

namespace gradus {

// One line for each reason: "--momentum and --nesterov have no effect with --opt adamw". Only flags
// of the command line count: a recipe's file may say what other runs need.
std::vector<std::string> idle_flags(const Options& options, const DatasetFacts& data);

}  // namespace gradus
