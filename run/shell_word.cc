#include "run/shell_word.h"

#include <algorithm>
#include <cstdio>

namespace gradus {

namespace {

bool is_plain(unsigned char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') ||
           std::string("_-./:,+@%=").find(static_cast<char>(c)) != std::string::npos || c >= 0x80;
}

bool is_control(unsigned char c) {
    return c < 0x20 || c == 0x7f;
}

std::string dollar_quoted(const std::string& text) {
    std::string quoted = "$'";
    for (const char c : text) {
        char code[8];
        std::snprintf(code, sizeof code, "\\%03o", static_cast<unsigned char>(c));
        const bool escaped = is_control(c) || c == '\'' || c == '\\';
        quoted += escaped ? std::string(code) : std::string(1, c);
    }
    return quoted + "'";
}

}  // namespace

std::string shell_word(const std::string& text) {
    if (!text.empty() && text[0] != '~' && std::all_of(text.begin(), text.end(), is_plain)) {
        return text;
    }
    if (std::any_of(text.begin(), text.end(), is_control)) return dollar_quoted(text);
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

}  // namespace gradus
