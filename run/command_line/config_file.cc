#include "run/command_line/config_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tensor/check.h"

namespace gradus {

namespace {

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// Shortens a line for a message; the file may be binary.
std::string clipped(const std::string& line) {
    constexpr size_t enough = 60;
    return line.size() <= enough ? line : line.substr(0, enough) + "...";
}

// Returns the position after the closing quote of the quoted text at the start of `text`; npos if
// it is not closed.
size_t quoted_end(const std::string& text) {
    for (size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\\' && text[0] == '"') {
            ++i;
        } else if (text[i] == text[0]) {
            return i + 1;
        }
    }
    return std::string::npos;
}

// Reads a single value with an optional comment after it; false if `text` is anything else.
bool read_value(const std::string& text, std::string* value) {
    if (text.empty() || text[0] == '[' || text[0] == '{') return false;
    if (text[0] != '"' && text[0] != '\'') {
        *value = trimmed(text.substr(0, text.find('#')));
        return !value->empty() && value->find_first_of(" \t\"'") == std::string::npos;
    }
    const size_t end = quoted_end(text);
    if (end == std::string::npos) return false;
    const std::string rest = trimmed(text.substr(end));
    if (!rest.empty() && rest[0] != '#') return false;
    *value = text.substr(1, end - 2);
    if (text[0] == '\'') return true;
    const auto parsed = nlohmann::json::parse(text.substr(0, end), nullptr, false);
    if (!parsed.is_string()) return false;
    *value = parsed.get<std::string>();
    return true;
}

}  // namespace

std::vector<ConfigEntry> read_config_file(const std::string& path) {
    std::error_code ignored;
    check_kind(!std::filesystem::is_directory(path, ignored), ErrorKind::usage, "cannot read ",
               path, ": it is a folder; name a file");
    std::ifstream file(path);
    check_kind(file.good(), ErrorKind::usage, "cannot read ", path, ": ", std::strerror(errno),
               "; check --config");
    std::vector<ConfigEntry> entries;
    std::set<std::string> keys;
    std::string text;
    for (int line = 1; std::getline(file, text); ++line) {
        if (line == 1 && text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // byte order mark
        text = trimmed(text);
        if (text.empty() || text[0] == '#' || text[0] == ';') continue;
        const size_t equals = text.find('=');
        ConfigEntry entry{line, trimmed(text.substr(0, equals)), ""};
        const bool ok = equals != std::string::npos && !entry.key.empty() &&
                        read_value(trimmed(text.substr(equals + 1)), &entry.value);
        check_kind(ok, ErrorKind::usage, path, ":", line, ": expected `key = value`; got `",
                   clipped(text), "`");
        check_kind(keys.insert(entry.key).second, ErrorKind::usage, path, ":", line, ": '",
                   entry.key, "' is given twice; keep one");
        entries.push_back(entry);
    }
    check_kind(!file.bad(), ErrorKind::usage, "cannot read ", path, ": ", std::strerror(errno));
    return entries;
}

}  // namespace gradus
