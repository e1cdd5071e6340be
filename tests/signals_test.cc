// signals, guarded_main -- every way in which a program can end; fatal ones run in a child.
#include "run/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>
#include <sstream>

#include "run/guarded_main.h"
#include "run/resources.h"
#include "run/version.h"
#include "tensor/check.h"
#include "tests/files.h"

using namespace gradus;

namespace {

// The exit code of a child that runs body() with stderr thrown away; -signal if one ended it.
template <class Body>
int exit_code_of(const Body& body) {
    std::cout.flush();
    const pid_t child = fork();
    if (child == 0) {
        for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct Outcome {
    int code = 0;
    std::string text;  // on stderr
};

Outcome outcome_of(int (*function)(int, char**)) {
    std::ostringstream text;
    std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
    const int code = guarded_main(0, nullptr, function);
    std::cerr.rdbuf(before);
    return {code, text.str()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signals, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(the_first_signal_only_sets_the_flag) {
    for (const int number : {SIGINT, SIGTERM}) {
        const int code = exit_code_of([number] {
            install_signal_handlers();
            const bool before = interrupted();
            raise(number);
            return !before && interrupted() ? 7 : 1;
        });
        BOOST_TEST(code == 7);
    }
    BOOST_TEST(!interrupted());
}

BOOST_AUTO_TEST_CASE(the_first_signal_says_what_it_promises) {
    const TemporaryFolder folder;
    const std::string said = folder.file("said", "");
    exit_code_of([&] {
        dup2(open(said.c_str(), O_WRONLY), STDERR_FILENO);
        install_signal_handlers("stopping");
        raise(SIGINT);
        return 0;
    });
    BOOST_TEST(read_bytes(said) == "\nstopping; once more to stop at once\n");
}

BOOST_AUTO_TEST_CASE(the_second_signal_ends_at_once) {
    const int code = exit_code_of([] {
        install_signal_handlers();
        raise(SIGTERM);
        raise(SIGINT);
        return 7;
    });
    BOOST_TEST(code == 130);
}

BOOST_AUTO_TEST_CASE(a_closed_pipe_is_a_write_error) {
    const int code = exit_code_of([] {
        install_signal_handlers();
        int ends[2];
        if (pipe(ends) != 0) return 1;
        close(ends[0]);
        return write(ends[1], "x", 1) < 0 ? 7 : 2;
    });
    BOOST_TEST(code == 7);
}

BOOST_AUTO_TEST_CASE(every_error_is_one_line_and_a_code) {
    const Outcome fine = outcome_of([](int, char**) { return 0; });
    BOOST_TEST(fine.code == 0);
    BOOST_TEST(fine.text == "");
    const Outcome usage =
        outcome_of([](int, char**) -> int { fail(ErrorKind::usage, "two\nlines"); });
    BOOST_TEST(usage.code == 2);
    BOOST_TEST(usage.text == "error: two\\x0alines\n");
    const Outcome data = outcome_of([](int, char**) -> int { fail(ErrorKind::data, "torn"); });
    BOOST_TEST(data.code == 3);
    const Outcome stopped =
        outcome_of([](int, char**) -> int { fail_interrupted("./train --resume runs/x"); });
    BOOST_TEST(stopped.code == 130);
    BOOST_TEST(stopped.text == "interrupted; resume with: ./train --resume runs/x\n");
    const Outcome memory = outcome_of([](int, char**) -> int { throw std::bad_alloc(); });
    BOOST_TEST(memory.code == 1);
    BOOST_TEST(memory.text.rfind("error: out of memory", 0) == 0);
    BOOST_TEST(outcome_of([](int, char**) -> int { throw 3; }).code == 1);
    BOOST_TEST(outcome_of([](int, char**) -> int { throw std::out_of_range("x"); }).text ==
               "error: x\n");
}

BOOST_AUTO_TEST_CASE(a_full_standard_output_is_an_error) {
    const auto print = [](int, char**) {
        std::cout << "the result" << '\n';
        return 0;
    };
    const int full = exit_code_of([&] {
        dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
        return guarded_main(0, nullptr, print);
    });
    BOOST_TEST(full == 1);
    const int fine = exit_code_of([&] {
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        return guarded_main(0, nullptr, print);
    });
    BOOST_TEST(fine == 0);
}

BOOST_AUTO_TEST_CASE(resources_are_plausible) {
    BOOST_TEST(peak_rss_bytes() > 1000000);
    const Machine machine = describe_machine();
    BOOST_TEST(machine.cores >= 1);
    BOOST_TEST(machine.memory_bytes > peak_rss_bytes());
    BOOST_TEST(machine.system.rfind("Linux", 0) == 0);
    BOOST_TEST(local_time_stamp().size() == 15);
    BOOST_TEST(utc_time().size() == 20);
    BOOST_TEST(Stopwatch().seconds() >= 0);
}

BOOST_AUTO_TEST_CASE(the_version_names_its_build) {
    BOOST_TEST(version() == "0.1.0");
    BOOST_TEST(version_line().find(version_commit()) != std::string::npos);
    BOOST_TEST(version_line().find(version_build()) != std::string::npos);
    BOOST_TEST(version_build().find("openblas") != std::string::npos);
}

// Exceptions of the standard library also become cause and remedy.
BOOST_AUTO_TEST_CASE(exceptions_of_the_system_say_what_to_do) {
    const auto outcome = [](int (*function)(int, char**)) {
        std::ostringstream text;
        std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
        const int code = guarded_main(0, nullptr, function);
        std::cerr.rdbuf(before);
        BOOST_TEST(code == 1);
        return text.str();
    };
    BOOST_TEST(
        outcome([](int, char**) -> int {
            throw std::system_error(EAGAIN, std::generic_category(), "thread");
        }).find("no further thread (Resource temporarily unavailable); give fewer --threads") !=
        std::string::npos);
    BOOST_TEST(outcome([](int, char**) -> int {
                   throw std::system_error(EMFILE, std::generic_category());
               }).find("(Too many open files); free resources") != std::string::npos);
    BOOST_TEST(outcome([](int, char**) -> int {
                   std::filesystem::rename("/nowhere/a", "/nowhere/b");
                   return 0;
               }) ==
               "error: /nowhere/a: No such file or directory; check the path, its permissions "
               "and the space on its disk\n");
    BOOST_TEST(outcome([](int, char**) -> int {
                   throw std::bad_alloc();
               }).find("out of memory; ") != std::string::npos);
    BOOST_TEST(outcome([](int, char**) -> int {
                   fail(ErrorKind::runtime, "a\x1b]0;b\x07\n\xc2\x9b\xff\xc3\xa9");
               }) == "error: a\\x1b]0;b\\x07\\x0a\\xc2\\x9b\\xff\xc3\xa9\n");
}

BOOST_AUTO_TEST_SUITE_END()
