#include "run/printable.h"

#include <algorithm>
#include <cstdio>

namespace gradus {

namespace {

// Bytes of the UTF-8 character that begins at `at`; 0 if none does.
size_t character_bytes(const std::string& text, size_t at) {
    const auto byte = [&](size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const unsigned first = byte(at);
    const size_t bytes = first < 0x80                     ? 1
                         : first >= 0xc2 && first <= 0xdf ? 2
                         : (first & 0xf0) == 0xe0         ? 3
                         : first >= 0xf0 && first <= 0xf4 ? 4
                                                          : 0;
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) return 0;
    }
    const bool overlong =
        (first == 0xe0 && byte(at + 1) < 0xa0) || (first == 0xf0 && byte(at + 1) < 0x90);
    return overlong ? 0 : bytes;
}

bool is_control(const std::string& text, size_t at, size_t bytes) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (bytes == 1) return first < 0x20 || first == 0x7f;
    return bytes == 2 && first == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0;
}

}  // namespace

std::string printable(const std::string& text, bool lines) {
    std::string shown;
    for (size_t at = 0; at < text.size();) {
        const size_t bytes = character_bytes(text, at);
        const bool kept = bytes > 0 && !is_control(text, at, bytes);
        if (kept || (lines && text[at] == '\n')) {
            shown.append(text, at, bytes);
        } else {
            for (size_t i = at; i < at + std::max<size_t>(bytes, 1); ++i) {
                char code[8];
                std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(text[i]));
                shown += code;
            }
        }
        at += bytes > 0 ? bytes : 1;
    }
    return shown;
}

}  // namespace gradus
