#include "run/shell_word.h"

#include <algorithm>
#include <cstdio>

#include "run/printable.h"

namespace gradus {

namespace {

bool is_plain(unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') ||
           std::string("_-./:,+@%=").find(static_cast<char>(c)) != std::string::npos || c >= 0x80;
}

// A terminal shows these bytes escaped, which a shell would not read back.
bool is_shown_escaped(const std::string& text) {
    return printable(text) != text;
}

std::string dollar_quoted(const std::string& text) {
    std::string quoted = "$'";
    for (const char c : text) {
        char code[8];
        std::snprintf(code, sizeof code, "\\%03o", static_cast<unsigned char>(c));
        const bool plain = c >= 0x20 && c < 0x7f && c != '\'' && c != '\\';
        quoted += plain ? std::string(1, c) : std::string(code);
    }
    return quoted + "'";
}

}  // namespace

std::string shell_word(const std::string& text) {
    if (is_shown_escaped(text)) return dollar_quoted(text);
    if (!text.empty() && text[0] != '~' && std::all_of(text.begin(), text.end(), is_plain)) {
        return text;
    }
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

}  // namespace gradus
