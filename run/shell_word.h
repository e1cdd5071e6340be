// shell_word -- quotes a path for a command line that the user can paste.
#pragma once

#include <string>

namespace gradus {

// Quotes `text` as one word of a POSIX shell: unchanged if no character is special, else in single
// quotes, with control characters as $'...' (bash, ksh and zsh).
std::string shell_word(const std::string& text);

}  // namespace gradus
