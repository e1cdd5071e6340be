// progress -- the output on the console, with a clock that the test controls.
#include "run/progress.h"

#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>

using namespace gradus;

namespace {

struct Console {
    double time = 0;
    std::ostringstream out;
    ProgressSettings settings;

    Progress progress() {
        return Progress(out, settings, [this] { return time; });
    }
    size_t count(const std::string& part) const {
        const std::string text = out.str();
        size_t found = 0;
        for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
            ++found;
        }
        return found;
    }
};

ProgressStep step_of(int epoch, int64_t step) {
    ProgressStep s;
    s.epoch = epoch;
    s.step = step;
    s.loss = 1.5;
    s.top1 = 61.25;
    s.lr = 0.039;
    s.images = 128;
    return s;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(progress, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(without_a_terminal_there_are_plain_lines) {
    Console console;
    console.settings.log_interval = 40;
    Progress progress = console.progress();
    progress.begin_phase({"float", 1, 100, 1.0});
    for (int i = 0; i < 100; ++i) {
        console.time += 0.5;
        progress.step(step_of(0, i));
    }
    BOOST_TEST(console.count("\n") == 3);  // at 40, at 80 and at the end of the epoch
    BOOST_TEST(console.count("\r") == 0);
    BOOST_TEST(console.count("\x1b") == 0);
    BOOST_TEST(console.out.str().rfind("float 1/1 [40/100] loss 1.500 top1 61.2 lr 3.9e-02 "
                                       "256 img/s 30s left\n",
                                       0) == 0);
}

BOOST_AUTO_TEST_CASE(the_bar_is_redrawn_ten_times_a_second) {
    Console console;
    console.settings.bar = true;
    {
        Progress progress = console.progress();
        progress.begin_phase({"quantized", 3, 1000, 1.0});
        for (int i = 0; i < 1000; ++i) {
            console.time += 0.001;  // one second in all
            progress.step(step_of(0, i));
        }
        BOOST_TEST(console.count("\r") >= 9);
        BOOST_TEST(console.count("\r") <= 11);
        BOOST_TEST(console.count("\n") == 0);
        BOOST_TEST(console.count("img/s") > 0);
        BOOST_TEST(console.count("left") > 0);
        BOOST_TEST(console.count("[#") > 0);
        for (const char byte : console.out.str()) BOOST_TEST((byte & 0x80) == 0);
        progress.line("epoch 1 done");
        BOOST_TEST(console.count("\r\x1b[Kepoch 1 done\n") == 1);
        console.time += 1;
        progress.step(step_of(1, 0));
    }
    const std::string text = console.out.str();
    BOOST_TEST(text.substr(text.size() - 4) == "\r\x1b[K");  // gone with its owner
}

BOOST_AUTO_TEST_CASE(the_bar_fits_the_terminal) {
    for (const bool utf8 : {false, true}) {
        Console console;
        console.settings.bar = true;
        console.settings.utf8 = utf8;
        console.settings.width = 80;
        Progress progress = console.progress();
        progress.begin_phase({"quantized", 30, 1000, 1.0});
        console.time = 100;
        progress.step(step_of(10, 500));
        int columns = 0;
        for (const char byte : console.out.str()) columns += (byte & 0xc0) != 0x80;
        columns -= 1 + 3;  // the return and the escape sequence
        BOOST_TEST(columns <= 79);
        BOOST_TEST(console.count("left") == 1);
        BOOST_TEST((console.count("█") > 0) == utf8);
    }
}

BOOST_AUTO_TEST_CASE(the_time_left_counts_the_phases_that_follow) {
    Console console;
    console.settings.quiet = true;
    Progress progress = console.progress();
    const ProgressPhase first = {"float", 2, 100, 1.0};
    const ProgressPhase second = {"quantized", 1, 100, 3.0};
    progress.begin_phase(first);
    BOOST_TEST(std::isnan(progress.seconds_left()));
    console.time = 10;
    progress.step(step_of(0, 49));  // 50 of 200 steps in 10 s
    BOOST_TEST(progress.seconds_left() == 30.0, boost::test_tools::tolerance(1e-12));
    progress.plan({first, second});
    BOOST_TEST(progress.seconds_left() == 90.0, boost::test_tools::tolerance(1e-12));
    progress.begin_phase(second, 40);  // resumed after 40 steps, which took no time here
    console.time = 40;
    progress.step(step_of(0, 69));
    BOOST_TEST(progress.seconds_left() == 30.0, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(console.out.str().empty());
}

BOOST_AUTO_TEST_CASE(the_time_left_ends_with_the_last_step) {
    Console console;
    Progress progress = console.progress();
    progress.begin_phase({"float", 6, 100, 1.0, 150});
    console.time = 10;
    progress.step(step_of(0, 49));
    BOOST_TEST(progress.seconds_left() == 20.0, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(quiet_keeps_warnings) {
    Console console;
    console.settings.quiet = true;
    Progress progress = console.progress();
    progress.line("noise");
    progress.count("calibration", 1, 2);
    progress.warn("the data set is not installed");
    BOOST_TEST(console.out.str() == "the data set is not installed\n");
}

BOOST_AUTO_TEST_CASE(counting_leaves_nothing_behind) {
    Console console;
    console.settings.bar = true;
    Progress progress = console.progress();
    progress.count("calibration", 1, 2);
    BOOST_TEST(console.count("calibration [") == 1);
    BOOST_TEST(console.count(" 50%") == 1);
    progress.count("calibration", 2, 2);
    const std::string text = console.out.str();
    BOOST_TEST(text.substr(text.size() - 4) == "\r\x1b[K");
}

BOOST_AUTO_TEST_CASE(durations_are_short) {
    BOOST_TEST(duration_text(0.4) == "0s");
    BOOST_TEST(duration_text(59.6) == "1m00s");
    BOOST_TEST(duration_text(185) == "3m05s");
    BOOST_TEST(duration_text(7620) == "2h07m");
    BOOST_TEST(duration_text(NAN) == "?");
}

BOOST_AUTO_TEST_CASE(the_locale_decides_the_characters) {
    const char* const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    std::string saved[3];
    for (int i = 0; i < 3; ++i) {
        const char* value = getenv(names[i]);
        saved[i] = value == nullptr ? "" : value;
        unsetenv(names[i]);
    }
    BOOST_TEST(!locale_is_utf8());
    setenv("LANG", "de_DE.UTF-8", 1);
    BOOST_TEST(locale_is_utf8());
    setenv("LC_ALL", "C", 1);  // beats LANG
    BOOST_TEST(!locale_is_utf8());
    for (int i = 0; i < 3; ++i) {
        unsetenv(names[i]);
        if (!saved[i].empty()) setenv(names[i], saved[i].c_str(), 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
