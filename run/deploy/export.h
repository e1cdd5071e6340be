// export -- files for other runtimes and tools, of a run that ./deploy opened.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/program.h"
#include "run/deploy/open_run.h"
#include "run/deploy/options.h"

namespace gradus {

// The facts that a file states about the run it came from.
std::map<std::string, std::string> run_facts(const OpenedRun& run);

// Writes what the options ask for. A line for each file, and one for what its reader will compute
// otherwise. Error(usage): what a target cannot express.
std::vector<std::string> write_exports(const DeployOptions& options, const OpenedRun& run,
                                       const Program& program);

// The float network of a run with --algo none; the exit code.
int export_float(const DeployOptions& options);

}  // namespace gradus
