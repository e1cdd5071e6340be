// npy -- reads what NumPy writes; refuses damaged files with one line.
#include "io/npy.h"

#include <boost/test/unit_test.hpp>

#include "tests/files.h"

using namespace gradus;

namespace {

// A version 1.0 file around a header dict and a payload.
std::string npy_bytes(const std::string& dict, const std::string& payload, char version = 1) {
    std::string bytes = std::string("\x93NUMPY", 6) + version + '\0';
    const std::string header = dict + "\n";
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
        bytes += static_cast<char>(header.size() >> (8 * i) & 255);
    }
    return bytes + header + payload;
}

std::string dict(const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

void refuses(const std::string& bytes, const std::string& reason) {
    const TemporaryFolder folder;
    const std::string path = folder.file("bad.npy", bytes);
    BOOST_CHECK(throws(ErrorKind::data, {"npy: " + path, reason}, [&] { load_npy(path); }));
}

template <class T>
void round_trip(const std::vector<T>& values, const Shape& shape) {
    const TemporaryFolder folder;
    save_npy(folder.path("x.npy"), Tensor::from(values, shape));
    const Tensor read = load_npy(folder.path("x.npy"));
    BOOST_TEST(read.dtype() == DTypeOf<T>::value);
    BOOST_TEST(read.shape() == shape);
    BOOST_TEST(read.to_vector<T>() == values);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(npy, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_dtype_and_rank_comes_back) {
    round_trip<float>({1.5f, -0.0f, 3e38f, 1e-45f, 5, 6}, {2, 3});
    round_trip<double>({3.25}, {});
    round_trip<int8_t>({-128, 127, 0}, {3});
    round_trip<uint8_t>({0, 255}, {1, 2, 1});
    round_trip<int32_t>({-2147483647 - 1, 7}, {2});
    round_trip<int64_t>({int64_t{1} << 62, -1}, {2, 1});
    round_trip<float>({}, {0, 5});
}

BOOST_AUTO_TEST_CASE(the_payload_begins_at_a_multiple_of_64) {
    const TemporaryFolder folder;
    save_npy(folder.path("x.npy"), Tensor::from<uint8_t>({1, 2, 3}, {3}));
    const std::string bytes = read_bytes(folder.path("x.npy"));
    BOOST_TEST(bytes.size() % 64 == 3u);
    BOOST_TEST(bytes[bytes.size() - 4] == '\n');
}

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_numpy) {
    const std::string head = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
    std::string expected = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + head;
    expected.resize(127, ' ');
    expected += '\n';
    expected += std::string("\x01\0\0\0\xff\xff\xff\xff", 8);
    const TemporaryFolder folder;
    save_npy(folder.path("x.npy"), Tensor::from<int32_t>({1, -1}, {2}));
    BOOST_TEST(read_bytes(folder.path("x.npy")) == expected);
}

BOOST_AUTO_TEST_CASE(version_two_is_read) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x.npy", npy_bytes(dict("|u1", "(2,)"), "ab", 2));
    BOOST_TEST(load_npy(path).to_vector<uint8_t>() == (std::vector<uint8_t>{'a', 'b'}));
}

BOOST_AUTO_TEST_CASE(foreign_kinds_are_refused) {
    refuses(npy_bytes(dict("|O", "(1,)"), "x"), "Python objects");
    refuses(npy_bytes(dict(">f4", "(1,)"), "abcd"), "big endian");
    refuses(npy_bytes(dict("<f2", "(1,)"), "ab"), "<f2");
    refuses(npy_bytes("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "abcd"),
            "structured");
    refuses(npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", "abcd"),
            "Fortran order");
    refuses(npy_bytes(dict("|u1", "(1,)"), "a", 3), "version 3.0");
}

BOOST_AUTO_TEST_CASE(malformed_headers_are_refused) {
    refuses("PK\x03\x04 a zip file", "wrong magic number");
    refuses(npy_bytes("{'descr': '<f4', 'shape': (1,)}", "abcd"), "must have");
    refuses(npy_bytes("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "abcd"), "twice");
    refuses(npy_bytes("{'x': 1}", ""), "unknown header key x");
    refuses(npy_bytes("{'descr: ", ""), "string does not end");
    refuses(npy_bytes(dict("<f4", "(1,)") + "}", "abcd"), "closing brace");
    refuses(npy_bytes(dict("<f4", "(-1,)"), "abcd"), "tuple of numbers");
    refuses(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12), "header of 4294967295 bytes");
}

BOOST_AUTO_TEST_CASE(the_size_must_be_that_of_the_shape) {
    refuses(npy_bytes(dict("<f4", "(2,)"), "abcd"), "needs 8 bytes");
    refuses(npy_bytes(dict("<f4", "(1,)"), "abcde"), "the file has 5");
    refuses(npy_bytes(dict("<f4", "(4294967296, 4294967296)"), "abcd"), "too large");
    refuses(npy_bytes(dict("<f4", "(9999999999999999999,)"), "abcd"), "too large");
    refuses(npy_bytes(dict("<f8", "(1152921504606846976,)"), "abcd"), "too large");
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
    const TemporaryFolder folder;
    save_npy(folder.path("x.npy"), Tensor::from<float>({1, 2}, {2}));
    const std::string bytes = read_bytes(folder.path("x.npy"));
    for (size_t length = 0; length < bytes.size(); ++length) {
        const std::string path = folder.file("cut.npy", bytes.substr(0, length));
        BOOST_CHECK(throws(ErrorKind::data, {path}, [&] { load_npy(path); }));
    }
}

BOOST_AUTO_TEST_CASE(a_missing_file_and_a_folder_are_data_errors) {
    const TemporaryFolder folder;
    BOOST_CHECK(throws(ErrorKind::data, {"none.npy", "check the path"},
                       [&] { load_npy(folder.path("none.npy")); }));
    BOOST_CHECK(throws(ErrorKind::data, {"regular file"}, [&] { load_npy(folder.path("")); }));
}

BOOST_AUTO_TEST_SUITE_END()
