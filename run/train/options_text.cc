// The options written out: for run.json, for config.toml and for the head of a run.
#include "run/train/options.h"

namespace gradus {

std::string options_json(const Options& options) {
    Options values = options;
    std::string text;
    for (const Flag& flag : train_flags(values)) {
        if (flag.use == FlagUse::question) continue;
        text += (text.empty() ? "{\"" : ", \"") + flag.name() + "\": " + flag_literal(flag);
    }
    return text + "}";
}

std::string config_toml(const Options& options) {
    Options values = options;
    std::string text = "# ./train --config <this file> runs the same again.\n";
    std::string section;
    for (const Flag& flag : train_flags(values)) {
        if (flag.use != FlagUse::recipe && flag.use != FlagUse::machine) continue;
        // Leaves out a width that equals --bits, so that it follows a later --bits.
        const bool follows =
            (flag.name() == "weight-bits" && values.weight_bits == values.bits) ||
            (flag.name() == "activation-bits" && values.activation_bits == values.bits);
        if (follows) continue;
        if (flag.section != section) {
            section = flag.section;
            text += "\n# " + section + "\n";
        }
        text += flag.name() + " = " + flag_file_literal(flag) + "\n";
    }
    return text;
}

std::vector<std::string> header_lines(const Options& options) {
    constexpr size_t title_width = 14;
    constexpr size_t line_width = 100;
    Options values = options;
    std::vector<std::string> lines;
    std::string section;
    for (const Flag& flag : train_flags(values)) {
        if (flag.use != FlagUse::recipe && flag.use != FlagUse::machine) continue;
        const std::string text = flag_text(flag);
        const std::string item = flag.name() + " " + (text.empty() ? "-" : text);
        const bool fresh = flag.section != section;
        if (fresh || lines.back().size() + 3 + item.size() > line_width) {
            std::string title = fresh ? flag.section : "";
            title.resize(title_width, ' ');
            lines.push_back(title + item);
        } else {
            lines.back() += " | " + item;
        }
        section = flag.section;
    }
    return lines;
}

}  // namespace gradus
