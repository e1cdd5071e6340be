// signals -- the first Ctrl-C finishes the step, the second ends the process at once.
#pragma once

namespace gradus {

// SIGINT and SIGTERM: the first sets the flag and prints `promises` on stderr, the second ends the
// process with 130. SIGPIPE and SIGXFSZ are ignored, so that a closed pipe and a file that grows
// past its limit become write errors with a message.
void install_signal_handlers(const char* promises = "finishing the step and saving");

// True after the first SIGINT or SIGTERM. Cheap: call it after every step.
bool interrupted();

// Call it once the state is saved.
[[noreturn]] void fail_interrupted(const char* resume_command);

}  // namespace gradus
