// atomic_file -- the target has the new content or the old one, and no other file remains. The
// failures also apply to root: no test relies on permissions.
#include "io/atomic_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "tests/files.h"

using namespace gradus;

namespace {

// Limits files of this process to `bytes`: simulates a full disk, also for root.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        signal(SIGXFSZ, handler_);
    }

  private:
    void (*handler_)(int);
    rlimit before_;
};

using Names = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(atomic_file, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(the_content_is_replaced) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x", "old and longer than the new");
    write_file_atomically(path, "new");
    BOOST_TEST(read_bytes(path) == "new");
    BOOST_TEST(folder.names() == Names{"x"});
}

BOOST_AUTO_TEST_CASE(a_path_without_a_folder_is_in_the_current_one) {
    const TemporaryFolder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path(""));
    write_file_atomically("plain", "here");
    std::filesystem::current_path(before);
    BOOST_TEST(read_bytes(folder.path("plain")) == "here");
}

BOOST_AUTO_TEST_CASE(pieces_are_joined_and_seen_only_after_commit) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x", "old");
    AtomicFile file(path);
    const std::string piece(100000, 'p');
    file.write(piece.data(), piece.size());
    file.write("end", 3);
    BOOST_TEST(read_bytes(path) == "old");
    file.commit();
    BOOST_TEST(read_bytes(path) == piece + "end");
    BOOST_TEST(folder.names() == Names{"x"});
}

BOOST_AUTO_TEST_CASE(without_commit_nothing_changes) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x", "old");
    {
        AtomicFile file(path);
        file.write("new", 3);
        BOOST_TEST(folder.names().size() == 2u);
    }
    BOOST_TEST(read_bytes(path) == "old");
    BOOST_TEST(folder.names() == Names{"x"});
}

// The kernel writes as much as fits, a short write, before it refuses the rest.
BOOST_AUTO_TEST_CASE(a_full_disk_leaves_the_old_file) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x", "old");
    const std::string content(200000, 'n');
    bool refused = false;
    {
        const FileSizeLimit limit(70001);
        refused = throws(ErrorKind::runtime, {path, "File too large", "ulimit -f"},
                         [&] { write_file_atomically(path, content); });
    }
    BOOST_TEST(refused);
    BOOST_TEST(read_bytes(path) == "old");
    BOOST_TEST(folder.names() == Names{"x"});
    write_file_atomically(path, content);
    BOOST_TEST(read_bytes(path) == content);
}

BOOST_AUTO_TEST_CASE(a_path_below_a_file_or_nowhere_is_refused) {
    const TemporaryFolder folder;
    const std::string file = folder.file("x", "a file");
    BOOST_CHECK(throws(ErrorKind::runtime,
                       {file + "/y", "Not a directory", "check that the folder"},
                       [&] { write_file_atomically(file + "/y", "new"); }));
    BOOST_CHECK(throws(ErrorKind::runtime, {"none/y", "No such file", "check that the folder"},
                       [&] { write_file_atomically(folder.path("none/y"), "new"); }));
    BOOST_TEST(folder.names() == Names{"x"});
}

BOOST_AUTO_TEST_CASE(folders_and_pipes_are_not_replaced) {
    const TemporaryFolder folder;
    const std::string pipe = folder.path("pipe");
    BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    BOOST_CHECK(throws(ErrorKind::runtime, {pipe, "no regular file"},
                       [&] { write_file_atomically(pipe, "new"); }));
    std::filesystem::create_directory(folder.path("folder"));
    BOOST_CHECK(throws(ErrorKind::runtime, {"no regular file"},
                       [&] { write_file_atomically(folder.path("folder"), "new"); }));
    BOOST_TEST(folder.names() == (Names{"folder", "pipe"}));
}

// The target becomes a folder between the last write and the rename.
BOOST_AUTO_TEST_CASE(a_failing_rename_cleans_up) {
    const TemporaryFolder folder;
    const auto replace = [&] {
        AtomicFile file(folder.path("x"));
        file.write("new", 3);
        std::filesystem::create_directory(folder.path("x"));
        file.commit();
    };
    BOOST_CHECK(throws(ErrorKind::runtime, {"x", "cannot rename"}, replace));
    BOOST_TEST(folder.names() == Names{"x"});
}

BOOST_AUTO_TEST_SUITE_END()
