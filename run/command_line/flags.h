// flags -- one row per flag: its names, the variable it sets, its range and its sentence of help.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace gradus {

using FlagTarget = std::variant<bool*, int32_t*, int64_t*, uint64_t*, double*, std::string*,
                                std::vector<std::string>*>;  // a list: given once for each text

enum class FlagUse {
    recipe,    // decides what is computed: in config.toml, and fixed once a run has begun
    machine,   // where and how often: in config.toml, may change on --resume
    call,      // this call only
    question,  // answered instead of running
};

struct Flag {
    std::string section;  // heading in the help and in the run header
    std::string names;    // "--weight-decay,--wd": the first long name is the flag's name
    FlagTarget target;
    std::string help;
    std::string placeholder;  // of the value on the help page; empty: N, X or NAME by its type
    FlagUse use = FlagUse::recipe;
    bool common = false;                     // on the short help page
    double min = -HUGE_VAL, max = HUGE_VAL;  // numbers: inclusive,
    bool open = false;                       // exclude the lower end
    std::vector<std::string> choices = {};   // texts: the values allowed; empty: any

    // Setters, for tables that read as one row per flag.
    Flag& range(double low, double high = HUGE_VAL) { return min = low, max = high, *this; }
    Flag& above(double low) { return min = low, open = true, *this; }
    Flag& below(double high) { return max = std::nextafter(high, -HUGE_VAL), *this; }
    Flag& one_of(std::vector<std::string> texts) { return choices = std::move(texts), *this; }
    Flag& shown_as(const std::string& text) { return placeholder = text, *this; }
    Flag& used_for(FlagUse what) { return use = what, *this; }
    Flag& on_first_page() { return common = true, *this; }

    std::string name() const;  // without the dashes: "weight-decay"
    std::vector<std::string> all_names() const;
    bool is_switch() const { return std::holds_alternative<bool*>(target); }
    bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target); }
};

// Reads `text` into the flag's variable; appends to a list. Throws Error(usage) with the flag's
// name, its range and the text given.
void set_flag(const Flag& flag, const std::string& text);

// The value as --name=VALUE takes it; numbers round-trip.
std::string flag_text(const Flag& flag);
// The value in JSON and TOML spelling (texts quoted; numbers and booleans bare), for display only:
// bytes that are not UTF-8 are replaced.
std::string flag_literal(const Flag& flag);
// The value in a file for --config: a text that is not UTF-8 (a path may be) keeps its bytes, in
// single quotes. Error(usage) if it also contains a single quote or a line break.
std::string flag_file_literal(const Flag& flag);

// The help page: the common flags by their first name, or every flag with its aliases.
std::string help_text(const std::string& usage, const std::vector<Flag>& flags, bool everything);

}  // namespace gradus
