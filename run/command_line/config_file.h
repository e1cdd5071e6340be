// config_file -- key = value lines, the part of TOML (and INI) that a recipe needs.
//
//   # a comment             blank lines and comments are skipped
//   lr = 0.02               bare: numbers, true, false, names
//   data-path = "/a #b"     quoted: JSON's escapes in "...", none in '...'
//
// Everything else (sections, lists, a colon instead of the equals sign, a key twice) is an error
// that names the line: a recipe that is half understood would train something else.
#pragma once

#include <string>
#include <vector>

namespace gradus {

struct ConfigEntry {
    int line = 0;
    std::string key;
    std::string value;
};

// Error(usage): the file cannot be read, or a line is no `key = value`.
std::vector<ConfigEntry> read_config_file(const std::string& path);

}  // namespace gradus
