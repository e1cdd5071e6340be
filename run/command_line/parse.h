// parse -- from a command line or a file to the variables of a table of flags.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "run/command_line/flags.h"

namespace gradus {

// Sets the flags that argv gives, in the table's order; returns their names. `place` takes the one
// argument without a flag, in programs that have one. Throws Error(usage) in one line.
std::set<std::string> set_from_arguments(const std::vector<Flag>& flags, int argc,
                                         const char* const* argv, std::string* place = nullptr);

// Sets the flags that a file of `key = value` lines gives: recipe and machine, not questions.
// Throws Error(usage) with the line's number.
void set_from_file(const std::vector<Flag>& flags, const std::string& path);

}  // namespace gradus
