// export -- writes files for other runtimes and tools, from a run that ./deploy opened.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/program.h"
#include "run/deploy/open_run.h"
#include "run/deploy/options.h"

namespace gradus {

// The facts that a file states about its run.
std::map<std::string, std::string> run_facts(const OpenedRun& run);

// Writes the files that the options ask for. Returns a line for each file, and one for each
// difference in what its reader computes. Error(usage): the target cannot express something.
std::vector<std::string> write_exports(const DeployOptions& options, const OpenedRun& run,
                                       const Program& program);

// Exports the float network of a run with --algo none; returns the exit code.
int export_float(const DeployOptions& options);

}  // namespace gradus
