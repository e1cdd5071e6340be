// check -- one-line errors with the rule and the facts; the kind decides the exit code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace gradus {

// Exit codes of the programs, one per kind of error.
enum class ErrorKind : int { runtime = 1, usage = 2, data = 3, diverged = 4, interrupted = 130 };

class Error : public std::runtime_error {
  public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    ErrorKind kind() const { return kind_; }

  private:
    ErrorKind kind_;
};

// Joins anything that can be printed into one string.
template <class... Parts>
std::string join(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
    throw Error(kind, join(parts...));
}

// Throws Error(runtime) with the joined parts unless `ok`; the parts are only joined on failure.
template <class... Parts>
void check(bool ok, const Parts&... parts) {
    if (!ok) fail(ErrorKind::runtime, parts...);
}

template <class... Parts>
void check_kind(bool ok, ErrorKind kind, const Parts&... parts) {
    if (!ok) fail(kind, parts...);
}

}  // namespace gradus
