// shell_word, printable -- paths in commands meant to be pasted, and names on a terminal.
#include "run/shell_word.h"

#include <boost/test/unit_test.hpp>
#include <cstdio>

#include "run/printable.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(shell_words, *boost::unit_test::label("unit"))

// Reads them back with a real shell.
BOOST_AUTO_TEST_CASE(a_shell_reads_the_same_word) {
    for (const std::string word :
         {"runs/latest", "my runs/a", "it's", "a\"b", "$HOME", "`id`", "a;b", "*", "~/x", "",
          "a\\b", "a&b|c<d>e(f)", "#x", "!x", "{a,b}", "[a]", "caf\xc3\xa9", "a=b"}) {
        const std::string command = "printf %s " + shell_word(word);
        FILE* pipe = popen(command.c_str(), "r");
        BOOST_REQUIRE(pipe);
        char text[256];
        const size_t count = fread(text, 1, sizeof text, pipe);
        pclose(pipe);
        BOOST_TEST(std::string(text, count) == word, command);
    }
    BOOST_TEST(shell_word("runs/a-b_1.2") == "runs/a-b_1.2");
    BOOST_TEST(shell_word("a b") == "'a b'");
    // Bash's words: bytes that a terminal is not shown as they are.
    BOOST_TEST(shell_word("a\n'b\x1b") == "$'a\\012\\047b\\033'");
    BOOST_TEST(shell_word("r\xffs") == "$'r\\377s'");
}

BOOST_AUTO_TEST_CASE(nothing_that_a_terminal_obeys_is_printed) {
    BOOST_TEST(printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") ==
               "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    BOOST_TEST(printable("a\x1b[2J\r\n\x7f") == "a\\x1b[2J\\x0d\\x0a\\x7f");
    BOOST_TEST(printable("\xc2\x9b"
                         "2J\x9b\xe9x\xc3") ==
               "\\xc2\\x9b"
               "2J\\x9b\\xe9x\\xc3");
    BOOST_TEST(printable("\xe0\x80\x9b\xc0\x9b") == "\\xe0\\x80\\x9b\\xc0\\x9b");
}

BOOST_AUTO_TEST_SUITE_END()
