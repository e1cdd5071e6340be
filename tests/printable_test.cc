// printable -- escapes control sequences, and keeps ordinary text.
#include "run/printable.h"

#include <boost/test/unit_test.hpp>

#include "run/progress.h"
#include "tests/train_process.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(printable_texts, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(controls_and_foreign_bytes_are_escaped) {
    BOOST_TEST(printable("a b~") == "a b~");
    BOOST_TEST(printable("\x1b[2J\n\t\x7f") == "\\x1b[2J\\x0a\\x09\\x7f");
    BOOST_TEST(printable("\xc2\x9b"
                         "2J") == "\\xc2\\x9b2J");  // C1: some terminals take it for ESC [
    BOOST_TEST(printable("\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9d") ==
               "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9d");
    BOOST_TEST(printable("\xff") == "\\xff");
    BOOST_TEST(printable("\xc3(") == "\\xc3(");
    BOOST_TEST(printable("\xe2\x82") == "\\xe2\\x82");
    BOOST_TEST(printable("\xc0\xaf") == "\\xc0\\xaf");                    // longer than needed
    BOOST_TEST(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
    BOOST_TEST(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(printable_output, *boost::unit_test::label("process"))

BOOST_AUTO_TEST_CASE(names_of_folders_and_files_obey_nothing) {
    const TemporaryFolder folder;
    const std::string name = "x\x1b[31m\nred";
    for (const std::string split : {"train/", "val/"}) {
        std::filesystem::create_directories(folder.path(split + name));
        std::filesystem::copy_file("tests/golden/images/rgb.png",
                                   folder.path(split + name + "/0.png"));
    }
    std::filesystem::create_directories(folder.path("train/empty\x1b"));
    std::filesystem::copy_file("tests/golden/images/rgb.png", folder.path("train/empty\x1b/1.png"));
    folder.file("train/" + name + "/z.\x07", "");
    const auto look = [&](const std::vector<std::string>& more) {
        std::vector<std::string> all{"--dataset",    "imagefolder", "--data-path", folder.path(""),
                                     "--image-size", "8",           "--model",     "resnet20"};
        all.insert(all.end(), more.begin(), more.end());
        TrainProcess process(all);
        const ProcessOutcome end = process.wait();
        BOOST_TEST(end.out.find('\x1b') == std::string::npos);
        BOOST_TEST(end.out.find('\x07') == std::string::npos);
        BOOST_TEST(end.err.find('\x1b') == std::string::npos);
        BOOST_TEST(end.err.find('\x07') == std::string::npos);
        return end;
    };
    const ProcessOutcome dry = look({"--dry-run"});
    BOOST_TEST(dry.out.find("1 .\\x07") != std::string::npos, dry.out);
    BOOST_TEST(dry.out.find("(empty\\x1b)") != std::string::npos, dry.out);
    folder.file("train/" + name + "/1.png", "broken");
    const ProcessOutcome run =
        look({"--epochs", "0", "--float-epochs", "0", "--calibration-images", "3", "--on-bad-image",
              "skip", "--no-progress", "--output", folder.path("run\x1b")});
    BOOST_TEST(run.code == 0);
    BOOST_TEST(run.err.find("x\\x1b[31m\\x0ared/1.png: is neither") != std::string::npos, run.err);
}

BOOST_AUTO_TEST_SUITE_END()
