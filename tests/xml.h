// xml -- checks that an XML file is well formed, and counts parts.
#pragma once

#include <cctype>
#include <string>
#include <vector>

namespace gradus {

inline int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

// Returns "" if every element is closed in order within one root, else the fault.
inline std::string xml_fault(const std::string& xml) {
    std::vector<std::string> open;
    int roots = 0;
    for (size_t at = 0; at < xml.size();) {
        if (xml[at] != '<') {
            const bool space = std::isspace(static_cast<unsigned char>(xml[at])) != 0;
            if (open.empty() && !space) return "text outside of the root";
            if (xml[at] == '&' && xml.find(';', at) > at + 5) return "a bare ampersand";
            ++at;
            continue;
        }
        const size_t end = xml.find('>', at);
        if (end == std::string::npos) return "a tag does not end";
        const std::string tag = xml.substr(at + 1, end - at - 1);
        if (count(tag, "\"") % 2 || count(tag, "<")) return "malformed tag " + tag;
        const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
        if (tag[0] == '/') {
            if (open.empty() || "/" + open.back() != tag) return "wrong end " + tag;
            open.pop_back();
        } else if (tag.back() != '/') {
            if (open.empty()) ++roots;
            open.push_back(name);
        }
        at = end + 1;
    }
    return open.empty() && roots == 1 ? "" : "not one root";
}

}  // namespace gradus
