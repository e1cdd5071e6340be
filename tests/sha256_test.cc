// sha256 -- the vectors of FIPS 180-4's examples and NIST's CAVP, and independence from the cuts.
#include "io/sha256.h"

#include <boost/test/unit_test.hpp>

#include "tests/files.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(sha256, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(standard_vectors) {
    BOOST_TEST(sha256_hex("") ==
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    BOOST_TEST(sha256_hex("abc") ==
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    BOOST_TEST(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    BOOST_TEST(sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                          "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu") ==
               "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    BOOST_TEST(sha256_hex(std::string(1000000, 'a')) ==
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Lengths around the places where padding needs another block.
BOOST_AUTO_TEST_CASE(lengths_around_a_block) {
    BOOST_TEST(sha256_hex(std::string(55, 'a')) ==
               "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    BOOST_TEST(sha256_hex(std::string(56, 'a')) ==
               "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    BOOST_TEST(sha256_hex(std::string(63, 'a')) ==
               "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
    BOOST_TEST(sha256_hex(std::string(64, 'a')) ==
               "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

BOOST_AUTO_TEST_CASE(the_cuts_do_not_matter) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
    for (size_t first = 0; first <= bytes.size(); ++first) {
        Sha256 hash;
        hash.update(bytes.data(), first);
        hash.update(bytes.data() + first, bytes.size() - first);
        BOOST_TEST(hash.hex() == sha256_hex(bytes));
    }
}

BOOST_AUTO_TEST_CASE(the_readable_code_agrees) {
    std::string bytes;
    for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * i >> 3);
    for (size_t count : {0, 1, 63, 64, 65, 128, 5000}) {
        Sha256 readable(true);
        readable.update(bytes.data(), count);
        BOOST_TEST(readable.hex() == sha256_hex(bytes.substr(0, count)));
    }
    Sha256 abc(true);
    abc.update("abc", 3);
    BOOST_TEST(abc.hex() == sha256_hex("abc"));
}

BOOST_AUTO_TEST_CASE(a_file_is_its_bytes) {
    const TemporaryFolder folder;
    const std::string bytes(300000, 'x');
    BOOST_TEST(sha256_file(folder.file("x", bytes)) == sha256_hex(bytes));
    BOOST_CHECK(throws(ErrorKind::data, {"none", "check the path"},
                       [&] { sha256_file(folder.path("none")); }));
}

BOOST_AUTO_TEST_SUITE_END()
