// find_row -- the row of a table that has a name, as users write it after a flag.
#pragma once

#include <string>

#include "tensor/check.h"

namespace gradus {

// Rows have a `name`. An unknown one is Error(usage) with the list; `kind` says of what.
template <class Rows>
const typename Rows::value_type& find_row(const Rows& rows, const char* kind,
                                          const std::string& name) {
    std::string names;
    for (const auto& row : rows) {
        if (row.name == name) return row;
        names += std::string(" ") + row.name;
    }
    fail(ErrorKind::usage, "no ", kind, " is called ", name, "; there are:", names);
}

}  // namespace gradus
