#include "run/printable.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace gradus {

namespace {

// Length in bytes of the character at `at`; 0 if it is not UTF-8 (RFC 3629: no surrogates, no
// overlong forms, at most U+10FFFF) or a control character.
size_t character_length(const std::string& text, size_t at) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t first = byte(at);
    if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() - at < length) return 0;
    uint32_t code = first & (0x7f >> length);
    for (size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte(at + i) & 0x3f);
    }
    constexpr uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool sound =
        code >= smallest[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return sound && code >= 0xa0 ? length : 0;
}

std::string escaped(char c) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<uint8_t>(c));
    return code;
}

}  // namespace

std::string printable(const std::string& text) {
    std::string shown;
    for (size_t at = 0; at < text.size();) {
        const size_t length = character_length(text, at);
        shown += length > 0 ? text.substr(at, length) : escaped(text[at]);
        at += std::max<size_t>(length, 1);
    }
    return shown;
}

}  // namespace gradus
