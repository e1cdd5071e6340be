// Runs the libraries that the rules are named after next to ./explain, by
// scripts/compare_oracles.py, if they are installed.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>

#include "tests/train_process.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(oracles, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(installed_libraries_give_the_codes_of_their_rows) {
    if (std::system("command -v python3 >/dev/null") != 0) {
        std::cerr << "SKIPPED oracles: python3 is not installed: scripts/setup.sh --oracles\n";
        return;
    }
    const std::string command =
        "scripts/compare_oracles.py --quick --explain '" + program_path("explain") + "'";
    BOOST_TEST(std::system(command.c_str()) == 0, command << " ended with an error");
}

BOOST_AUTO_TEST_SUITE_END()
