// find_row -- finds the row of a table by the name that a user gave after a flag.
#pragma once

#include <string>

#include "tensor/check.h"

namespace gradus {

// Rows have a `name`. An unknown one is Error(usage) with the list; `kind` is the kind of row.
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
