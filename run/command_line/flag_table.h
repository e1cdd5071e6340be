// flag_table -- collects the rows of a program's flags.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "run/command_line/flags.h"

namespace gradus {

class FlagTable {
  public:
    FlagTable& section(const std::string& title) { return section_ = title, *this; }
    Flag& add(const std::string& names, FlagTarget target, const std::string& help) {
        Flag flag;
        flag.section = section_;
        flag.names = names;
        flag.target = target;
        flag.help = help;
        flags_.push_back(std::move(flag));
        return flags_.back();
    }
    Flag& call(const std::string& names, FlagTarget target, const std::string& help) {
        return add(names, target, help).used_for(FlagUse::call);
    }
    std::vector<Flag> take() { return std::move(flags_); }

  private:
    std::string section_;
    std::vector<Flag> flags_;
};

}  // namespace gradus
