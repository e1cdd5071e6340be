#include "run/command_line/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "run/command_line/config_file.h"
#include "run/suggest.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// --no-nesterov; a switch that is off by default needs none.
bool has_negation(const Flag& flag) {
    return flag.is_switch() && flag.use == FlagUse::recipe;
}

[[noreturn]] void fail_unknown(const std::vector<Flag>& flags, const std::string& argument) {
    check_kind(argument.size() > 1 && argument[0] == '-', ErrorKind::usage, "unexpected argument '",
               argument, "'; every value belongs to a flag (see --help)");
    const std::string name = argument.substr(0, argument.find('='));
    std::vector<std::string> known;
    for (const Flag& flag : flags) {
        for (const std::string& spelling : flag.all_names()) known.push_back(spelling);
        if (has_negation(flag)) known.push_back("--no-" + flag.name());
    }
    const std::string nearest = nearest_name(name, known);
    fail(ErrorKind::usage, "unknown flag ", name,
         nearest.empty() ? "" : "; did you mean " + nearest,
         nearest.empty() ? "; see --help" : "?");
}

}  // namespace

std::set<std::string> set_from_arguments(const std::vector<Flag>& flags, int argc,
                                         const char* const* argv, std::string* place) {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    std::map<std::string, CLI::Option*> options;
    for (const Flag& flag : flags) {
        const std::string negation = has_negation(flag) ? ",!--no-" + flag.name() : "";
        options[flag.names] =
            flag.is_switch() ? app.add_flag(flag.names + negation) : app.add_option(flag.names);
        options[flag.names]->multi_option_policy(flag.is_list() ? CLI::MultiOptionPolicy::TakeAll
                                                                : CLI::MultiOptionPolicy::TakeLast);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ArgumentMismatch& error) {
        const std::string text = error.what();  // "--lr: 1 required ..."
        fail(ErrorKind::usage, text.substr(0, text.find(':')), " needs a value (see --help)");
    } catch (const CLI::ParseError& error) {
        fail(ErrorKind::usage, error.what(), " (see --help)");
    }
    std::set<std::string> given;
    for (const Flag& flag : flags) {
        const CLI::Option& option = *options[flag.names];
        if (option.count() == 0) continue;
        check_kind(flag.name() != "config" || option.count() == 1, ErrorKind::usage,
                   "--config is given twice; put what both say into one file");
        const auto& texts = option.results();
        for (auto text = flag.is_list() ? texts.begin() : texts.end() - 1; text != texts.end();
             ++text) {
            check_kind(!text->empty(), ErrorKind::usage, "--", flag.name(),
                       " needs a value; got an empty one");
            check_kind(text->rfind("--", 0) != 0, ErrorKind::usage, "--", flag.name(),
                       " needs a value; got the flag ", *text);
            set_flag(flag, *text);
        }
        given.insert(flag.name());
    }
    for (const std::string& argument : app.remaining()) {
        if (argument == "--") continue;
        if (!place || argument.empty() || argument[0] == '-') fail_unknown(flags, argument);
        check_kind(place->empty(), ErrorKind::usage, "unexpected argument '", argument, "' after ",
                   *place, " (see --help)");
        *place = argument;
    }
    return given;
}

void set_from_file(const std::vector<Flag>& flags, const std::string& path) {
    std::vector<std::string> known;
    for (const Flag& flag : flags) known.push_back(flag.name());
    std::map<std::string, std::string> given;  // the name of a flag, and that of the file
    for (const ConfigEntry& entry : read_config_file(path)) {
        const auto names_it = [&](const Flag& flag) {
            for (const std::string& name : flag.all_names()) {
                if (name == "--" + entry.key) return true;
            }
            return false;
        };
        const auto flag = std::find_if(flags.begin(), flags.end(), names_it);
        const std::string place = join(path, ":", entry.line, ": ");
        const bool usable = flag != flags.end() && flag->use != FlagUse::question &&
                            flag->name() != "config" && flag->name() != "resume";
        const std::string nearest = nearest_name(entry.key, known);
        check_kind(usable, ErrorKind::usage, place, "no flag '", entry.key,
                   "' that a file may set; ",
                   nearest.empty() || nearest == entry.key ? "see --help-all"
                                                           : "did you mean '" + nearest + "'?");
        const auto [first, fresh] = given.try_emplace(flag->name(), entry.key);
        check_kind(fresh, ErrorKind::usage, place, "'", entry.key, "' and '", first->second,
                   "' are two names of one thing; keep one");
        try {
            set_flag(*flag, entry.value);
        } catch (const Error& error) {
            fail(error.kind(), place, error.what());
        }
    }
}

}  // namespace gradus
