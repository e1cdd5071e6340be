// printable -- texts that hold names from files, made safe for a terminal.
#pragma once

#include <string>

namespace gradus {

// One line that no terminal obeys: control characters (C0, DEL, C1) and bytes that are not UTF-8
// become \xNN, a byte each. Other characters stay.
std::string printable(const std::string& text);

}  // namespace gradus
