// explain -- ./explain TOPIC: a table of topics, each with its own parser and run function.
#pragma once

namespace gradus {

// Runs the topic that argv[1] names, or prints the help page or the version.
int run_explain(int argc, const char* const* argv);

}  // namespace gradus
