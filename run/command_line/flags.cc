#include "run/command_line/flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "run/printable.h"
#include "run/suggest.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Texts = std::vector<std::string>;

template <class T>
std::string number_text(T value) {
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return std::string(text, end);
}

// Prints a bound as 1000000 rather than 1e+06.
std::string bound_text(double bound) {
    const bool whole = bound == std::floor(bound) && std::fabs(bound) < 1e18;
    return whole ? number_text(static_cast<int64_t>(bound)) : number_text(bound);
}

std::string range_text(const Flag& flag) {
    if (flag.max == HUGE_VAL) {
        return (flag.open ? "above " : "of at least ") + bound_text(flag.min);
    }
    const bool below = flag.max != std::floor(flag.max);
    return "from " + bound_text(flag.min) + (below ? " to below " : " to ") +
           bound_text(below ? std::ceil(flag.max) : flag.max);
}

// Reads the whole text or fails: "4x", "" and "nan" are not numbers.
template <class T>
void set_number(const Flag& flag, T* target, const std::string& text) {
    T value{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    const bool in_range = static_cast<double>(value) <= flag.max &&
                          (flag.open ? static_cast<double>(value) > flag.min
                                     : static_cast<double>(value) >= flag.min);
    const bool whole = error == std::errc() && stop == end;
    if (whole && in_range && std::isfinite(static_cast<double>(value))) {
        *target = value;
        return;
    }
    fail(ErrorKind::usage, "--", flag.name(), " takes ",
         std::is_floating_point_v<T> ? "a number " : "a whole number ", range_text(flag), "; got '",
         text, "'");
}

void set_switch(const Flag& flag, bool* target, const std::string& text) {
    check_kind(text == "true" || text == "false", ErrorKind::usage, "--", flag.name(),
               " takes true or false; got '", text, "'");
    *target = text == "true";
}

void set_text(const Flag& flag, std::string* target, const std::string& text) {
    const auto& choices = flag.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
        check_name("value of --" + flag.name(), text, choices);
    }
    *target = text;
}

std::string placeholder(const Flag& flag) {
    if (flag.is_switch()) return "";
    if (!flag.placeholder.empty()) return " " + flag.placeholder;
    if (!std::holds_alternative<std::string*>(flag.target)) {
        return std::holds_alternative<double*>(flag.target) ? " X" : " N";
    }
    std::string values;
    for (const std::string& choice : flag.choices) values += (values.empty() ? " " : "|") + choice;
    return values.empty() ? " NAME" : values;
}

std::string list_text(const Texts& texts) {
    std::string list;
    for (const std::string& text : texts) list += (list.empty() ? "" : " ") + text;
    return list;
}

// "-b, --batch-size N": the name, with its letter if it has one.
std::string synopsis(const Flag& flag) {
    const std::string first = flag.all_names().front();
    const std::string letter = first.size() == 2 ? first + ", " : "";
    return letter + "--" + flag.name() + placeholder(flag);
}

// " (also --wd)"
std::string aliases(const Flag& flag) {
    std::string list;
    for (const std::string& name : flag.all_names()) {
        if (name.size() == 2 || name == "--" + flag.name()) continue;
        list += (list.empty() ? " (also " : ", ") + name;
    }
    return list.empty() ? "" : list + ")";
}

// " [4]"; empty if the default means "not given".
std::string default_note(const Flag& flag) {
    const bool unset = std::visit(
        [&](const auto* target) {
            using T = std::remove_cv_t<std::remove_pointer_t<decltype(target)>>;
            if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Texts>) {
                return target->empty();
            } else if constexpr (std::is_same_v<T, bool>) {
                return !*target;
            } else {
                return static_cast<double>(*target) < flag.min;
            }
        },
        flag.target);
    if (unset) return "";
    return flag.is_switch() ? " [on]" : " [" + flag_text(flag) + "]";
}

std::string help_line(const Flag& flag, bool everything) {
    constexpr size_t column = 30;
    std::string line = "  " + synopsis(flag);
    line += line.size() + 2 > column ? "\n" + std::string(column, ' ')
                                     : std::string(column - line.size(), ' ');
    line += flag.help;
    return line + default_note(flag) + (everything ? aliases(flag) : "") + "\n";
}

}  // namespace

std::vector<std::string> Flag::all_names() const {
    std::vector<std::string> all;
    std::istringstream parts(names);
    for (std::string part; std::getline(parts, part, ',');) all.push_back(part);
    return all;
}

std::string Flag::name() const {
    for (const std::string& candidate : all_names()) {
        if (candidate.rfind("--", 0) == 0) return candidate.substr(2);
    }
    return names;
}

void set_flag(const Flag& flag, const std::string& text) {
    std::visit(
        [&](auto* target) {
            using T = std::remove_pointer_t<decltype(target)>;
            if constexpr (std::is_same_v<T, bool>) {
                set_switch(flag, target, text);
            } else if constexpr (std::is_same_v<T, std::string>) {
                set_text(flag, target, text);
            } else if constexpr (std::is_same_v<T, Texts>) {
                target->push_back(text);
            } else {
                set_number(flag, target, text);
            }
        },
        flag.target);
}

std::string flag_text(const Flag& flag) {
    return std::visit(
        [](const auto* target) -> std::string {
            using T = std::remove_cv_t<std::remove_pointer_t<decltype(target)>>;
            if constexpr (std::is_same_v<T, bool>) {
                return *target ? "true" : "false";
            } else if constexpr (std::is_same_v<T, std::string>) {
                return *target;
            } else if constexpr (std::is_same_v<T, Texts>) {
                return list_text(*target);
            } else {
                return number_text(*target);
            }
        },
        flag.target);
}

std::string flag_literal(const Flag& flag) {
    nlohmann::json value;
    if (flag.is_list()) {
        value = *std::get<Texts*>(flag.target);
    } else if (std::holds_alternative<std::string*>(flag.target)) {
        value = flag_text(flag);
    } else {
        return flag_text(flag);
    }
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string flag_file_literal(const Flag& flag) {
    if (!std::holds_alternative<std::string*>(flag.target)) return flag_literal(flag);
    const std::string text = flag_text(flag);
    try {
        return nlohmann::json(text).dump();
    } catch (const nlohmann::json::type_error&) {
        check_kind(text.find_first_of("'\n\r") == std::string::npos, ErrorKind::usage, "--",
                   flag.name(), " ", printable(text),
                   " is not UTF-8 and holds a quote or a line break: ",
                   "config.toml cannot keep it; rename the file or folder");
        return "'" + text + "'";
    }
}

std::string help_text(const std::string& usage, const std::vector<Flag>& flags, bool everything) {
    std::string text = usage;
    std::string section;
    for (const Flag& flag : flags) {
        if (!everything && !flag.common) continue;
        if (everything && flag.section != section) {
            section = flag.section;
            text += "\n" + section + ":\n";
        }
        text += help_line(flag, everything);
    }
    return text;
}

}  // namespace gradus
