#include "run/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

#include "tensor/check.h"

namespace gradus {

namespace {

// A handler may use only lock-free atomics, write and _exit.
std::atomic<bool> stop_requested{false};
std::atomic<const char*> promise{""};
static_assert(std::atomic<bool>::is_always_lock_free &&
              std::atomic<const char*>::is_always_lock_free);

void say(const char* text) {
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

extern "C" void on_stop(int) {
    if (stop_requested.exchange(true)) _exit(static_cast<int>(ErrorKind::interrupted));
    say("\n");
    say(promise);
    say("; once more to stop at once\n");
}

}  // namespace

void install_signal_handlers(const char* promises) {
    promise = promises;
    struct sigaction action = {};
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_stop;
    action.sa_flags = SA_RESTART;  // resumes a read or write under way
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, nullptr);
    sigaction(SIGXFSZ, &action, nullptr);
}

bool interrupted() {
    return stop_requested.load(std::memory_order_relaxed);
}

void fail_interrupted(const char* resume_command) {
    fail(ErrorKind::interrupted, "interrupted; resume with: ", resume_command);
}

}  // namespace gradus
