// signals -- Ctrl-C once finishes the step, twice ends at once.
#pragma once

namespace gradus {

// SIGINT and SIGTERM: the first sets the flag and says so on stderr, the second ends the process
// with 130. SIGPIPE is ignored, so that a closed pipe becomes a write error with a message.
void install_signal_handlers();

// True after the first SIGINT or SIGTERM. Cheap: ask it after every step.
bool interrupted();

// The trainer calls this once its state is saved.
[[noreturn]] void fail_interrupted(const char* resume_command);

}  // namespace gradus
