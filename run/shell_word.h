// shell_word -- a path in a command that is printed to be typed.
#pragma once

#include <string>

namespace gradus {

// `text` as one word of a POSIX shell: as it is where no character of it is special, else in single
// quotes, with control characters as $'...' of bash, ksh and zsh has them.
std::string shell_word(const std::string& text);

}  // namespace gradus
