// row_cases -- a test case for every row of a table, under a name of its own, so that one row can
// be run alone: --run_test=suite/table/row.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <string>

namespace gradus {

// A static object of this type adds the suite `table` to the suite that it stands in: test(row) is
// the case name_of(row), in which everything but letters and digits becomes "_".
struct RowCases {
    template <class Rows, class NameOf, class Test>
    RowCases(const char* table, const char* file, size_t line, const Rows& rows,
             const NameOf& name_of, const Test& test) {
        using namespace boost::unit_test;
        auto* const suite = new test_suite(table, file, line);  // Boost owns it from now on
        for (const auto& row : rows) {
            std::string name = name_of(row);
            std::replace_if(
                name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
            suite->add(make_test_case([row, test] { test(row); }, name, file, line));
        }
        framework::current_auto_test_suite().add(suite);
    }
};

}  // namespace gradus
