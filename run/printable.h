// printable -- makes names from files and users safe for a terminal.
#pragma once

#include <string>

namespace gradus {

// Writes control characters (C0, DEL, C1) and bytes that are not UTF-8 as \xNN: the result is one
// line and contains no terminal escapes.
std::string printable(const std::string& text);

}  // namespace gradus
