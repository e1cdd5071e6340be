// printable -- names that files and users give, as a terminal may show them.
#pragma once

#include <string>

namespace gradus {

// Control characters (C0, DEL, C1) and bytes that are not UTF-8 as \xNN: nothing that a terminal
// obeys, and one line.
std::string printable(const std::string& text);

}  // namespace gradus
