// safetensors -- reads back what it wrote, in the reference's layout; refuses damaged files.
#include "io/safetensors.h"

#include <boost/test/unit_test.hpp>

#include "io/sha256.h"
#include "tests/files.h"

using namespace gradus;

namespace {

using Tensors = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

std::string little_endian(uint64_t value) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i) & 255);
    return bytes;
}

std::string file_bytes(const std::string& header, const std::string& payload) {
    return little_endian(header.size()) + header + payload;
}

void refuses(const std::string& bytes, const std::string& reason) {
    const TemporaryFolder folder;
    const std::string path = folder.file("bad.safetensors", bytes);
    BOOST_CHECK(
        throws(ErrorKind::data, {"safetensors: " + path, reason}, [&] { load_safetensors(path); }));
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
}

Tensors some_tensors() {
    return {{"b.bytes", Tensor::from<uint8_t>({1, 2, 3}, {3})},
            {"a.weight", Tensor::from<float>({1.5f, -0.0f}, {1, 2})},
            {"steps", Tensor::from<int64_t>({7}, {})},
            {"codes", Tensor::from<int8_t>({-7, 7}, {2, 1})},
            {"bias", Tensor::from<int32_t>({-1}, {1})},
            {"exact", Tensor::from<double>({0.1}, {1})},
            {"none", Tensor::from<float>({}, {0, 4})}};
}

std::string written(const Tensors& tensors, const Metadata& metadata) {
    const TemporaryFolder folder;
    save_safetensors(folder.path("x"), tensors, metadata);
    return read_bytes(folder.path("x"));
}

// Loads these bytes: true if that worked, false if it failed with a clean data error.
bool loads(const TemporaryFolder& folder, const std::string& bytes) {
    const std::string path = folder.file("x", bytes);
    try {
        load_safetensors(path);
    } catch (const Error& error) {
        BOOST_TEST((error.kind() == ErrorKind::data));
        BOOST_TEST(std::string(error.what()).find('\n') == std::string::npos);
        return false;
    }
    return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(everything_comes_back) {
    const TemporaryFolder folder;
    const Metadata metadata = {{"epoch", "3"}, {"text", "quote \" and \n line, \xc3\xa9"}};
    save_safetensors(folder.path("x"), some_tensors(), metadata);
    const SafetensorsFile read = load_safetensors(folder.path("x"));
    BOOST_TEST((read.metadata == metadata));
    BOOST_TEST(read.tensors.size() == some_tensors().size());
    BOOST_TEST(tensors_sha256(read.tensors) == tensors_sha256(some_tensors()));
    BOOST_TEST(read.tensors.at("codes").to_vector<int8_t>() == (std::vector<int8_t>{-7, 7}));
    BOOST_TEST(read.tensors.at("none").shape() == (Shape{0, 4}));
    BOOST_TEST(folder.names() == std::vector<std::string>{"x"});
}

BOOST_AUTO_TEST_CASE(the_layout_is_the_reference_s) {
    const std::string bytes = written({{"b", Tensor::from<uint8_t>({255}, {1})},
                                       {"c", Tensor::from<float>({1.0f}, {})},
                                       {"a", Tensor::from<uint8_t>({1, 2}, {2})}},
                                      {});
    const size_t metadata_end = bytes.find("},");
    BOOST_REQUIRE(metadata_end != std::string::npos);
    BOOST_TEST(bytes.substr(8, 17) == "{\"__metadata__\":{");
    const std::string entries = entry("c", "F32", "[]", "[0,4]") + "," +
                                entry("a", "U8", "[2]", "[4,6]") + "," +
                                entry("b", "U8", "[1]", "[6,7]") + "}";
    BOOST_TEST(bytes.substr(metadata_end + 2, entries.size()) == entries);
    const std::string payload("\x00\x00\x80\x3f\x01\x02\xff", 7);
    BOOST_TEST(bytes.substr(bytes.size() - 7) == payload);
    BOOST_TEST(bytes.substr(0, 8) == little_endian(bytes.size() - 8 - 7));
    BOOST_TEST((bytes.size() - 7) % 8 == 0u);
}

BOOST_AUTO_TEST_CASE(the_same_content_gives_the_same_bytes) {
    BOOST_TEST(written(some_tensors(), {{"k", "v"}}) == written(some_tensors(), {{"k", "v"}}));
    BOOST_TEST(written(some_tensors(), {{"k", "v"}}) != written(some_tensors(), {{"k", "w"}}));
}

// Builds the layout that safetensors.h documents by hand.
BOOST_AUTO_TEST_CASE(the_digest_of_tensors_is_as_documented) {
    const std::string codes = little_endian(5) + "codes" + little_endian(2) + "I8" +
                              little_endian(2) + little_endian(2) + little_endian(1) + "\xf9\x07";
    const std::string steps =
        little_endian(5) + "steps" + little_endian(3) + "I64" + little_endian(0) + little_endian(7);
    const Tensors both = {{"steps", Tensor::from<int64_t>({7}, {})},
                          {"codes", Tensor::from<int8_t>({-7, 7}, {2, 1})}};
    BOOST_TEST(tensors_sha256(both) == sha256_hex(codes + steps));
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
    const TemporaryFolder folder;
    const std::string bytes = written(some_tensors(), {{"k", "v"}});
    BOOST_TEST(loads(folder, bytes));
    for (size_t length = 0; length < bytes.size(); ++length) {
        BOOST_TEST(!loads(folder, bytes.substr(0, length)));
    }
    BOOST_TEST(!loads(folder, bytes + '\0'));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_refused) {
    const TemporaryFolder folder;
    std::string bytes =
        written({{"w", Tensor::from<float>({1, 2}, {2})}, {"q", Tensor::from<int8_t>({1}, {1})}},
                {{"k", "v"}});
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
        BOOST_TEST(!loads(folder, bytes), "bit " << bit << " can be flipped unseen");
        bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
}

BOOST_AUTO_TEST_CASE(files_of_other_writers_are_read) {
    const TemporaryFolder folder;
    const std::string header =
        "{\"__metadata__\":{\"format\":\"pt\"}," + entry("w", "F32", "[1,2]", "[0,8]") + "}   ";
    const std::string path = folder.file("x", file_bytes(header, std::string(8, '\0')));
    const SafetensorsFile read = load_safetensors(path);
    BOOST_TEST(read.tensors.at("w").to_vector<float>() == (std::vector<float>{0, 0}));
    BOOST_TEST(read.metadata.at("format") == "pt");
    BOOST_TEST(load_safetensors(folder.file("y", file_bytes("{}", ""))).tensors.empty());
}

// Accepted, as by the reference reader.
BOOST_AUTO_TEST_CASE(null_metadata_and_other_fields_are_taken) {
    const TemporaryFolder folder;
    const std::string w = "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":7}";
    const std::string path = folder.file("x", file_bytes("{\"__metadata__\":null," + w + "}", "a"));
    const SafetensorsFile read = load_safetensors(path);
    BOOST_TEST(read.tensors.at("w").data<uint8_t>()[0] == 'a');
    BOOST_TEST(read.metadata.empty());
}

// Their size is checked, in whole bytes; their content is skipped.
BOOST_AUTO_TEST_CASE(tensors_of_other_types_are_passed_over) {
    struct Row {
        const char *dtype, *shape, *type;
        size_t bytes;
    };
    const TemporaryFolder folder;
    for (const Row& row : {Row{"F16", "[3]", "F16[3]", 6}, Row{"BF16", "[1,2]", "BF16[1, 2]", 4},
                           Row{"BOOL", "[5]", "BOOL[5]", 5}, Row{"F8_E4M3", "[2]", "F8_E4M3[2]", 2},
                           Row{"F4", "[4]", "F4[4]", 2}, Row{"F6_E2M3", "[4]", "F6_E2M3[4]", 3},
                           Row{"C64", "[]", "C64[]", 8}, Row{"I16", "[1]", "I16[1]", 2},
                           Row{"U8", "[1,1,1,1,1,1,1,1,2]", "U8[1, 1, 1, 1, 1, 1, 1, 1, 2]", 2}}) {
        const std::string header =
            join("{", entry("a", row.dtype, row.shape, join("[0,", row.bytes, "]")), ",",
                 entry("b", "U8", "[1]", join("[", row.bytes, ",", row.bytes + 1, "]")), "}");
        const std::string path =
            folder.file("x", file_bytes(header, std::string(row.bytes, 'a') + "b"));
        const SafetensorsFile read = load_safetensors(path);
        BOOST_TEST(read.tensors.size() == 1u, row.dtype);
        BOOST_TEST(read.tensors.at("b").data<uint8_t>()[0] == 'b', row.dtype);
        BOOST_TEST(read.unreadable.at("a") == row.type);
    }
}

BOOST_AUTO_TEST_CASE(malformed_headers_are_refused) {
    const std::string good = entry("w", "U8", "[2]", "[0,2]");
    refuses(little_endian(100000001) + "{}", "header of 100000001 bytes");
    refuses(little_endian(~uint64_t{0}) + "{}", "header of 18446744073709551615 bytes");
    refuses(file_bytes(" {" + good + "}", "ab"), "must begin with {");
    refuses(file_bytes("", ""), "must begin with {");
    refuses(file_bytes("{" + good, "ab"), "not valid JSON");
    refuses(file_bytes("{" + good + "}}", "ab"), "not valid JSON");
    refuses(file_bytes("{" + good + "}" + std::string(1, '\0'), "ab"), "zero byte");
    refuses(file_bytes("{\"\xff\":1}", ""), "not valid JSON");
    refuses(file_bytes("{" + good + "," + good + "}", "ab"), "the key \"w\" twice");
    refuses(file_bytes("{\"w\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[0]}}", ""),
            "\"dtype\" twice");
    refuses(file_bytes("{\"a\":[[[[[]]]]]}", ""), "nested too deeply");
    refuses(file_bytes("{\"__metadata__\":{\"k\":1}}", ""), "object of strings");
    refuses(file_bytes("{\"w\":{\"dtype\":\"U8\",\"shape\":[0]}}", ""), "must have dtype");
    refuses(file_bytes("{\"a\\nb\":1}", ""), "tensor \"a\\nb\" must have");
}

BOOST_AUTO_TEST_CASE(malformed_tensors_are_refused) {
    const auto header = [](const std::string& entries) { return "{" + entries + "}"; };
    const auto one = [&](const char* dtype, const char* shape, const char* offsets) {
        return header(entry("w", dtype, shape, offsets));
    };
    refuses(file_bytes(one("F16", "[2]", "[0,2]"), "ab"), "do not fit F16[2]");
    refuses(file_bytes(one("F128", "[1]", "[0,2]"), "ab"), "dtype \"F128\"");
    refuses(file_bytes("{\"w\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,2]}}", "ab"),
            "dtype 3");
    refuses(file_bytes(one("f32", "[1]", "[0,4]"), "abcd"), "dtype \"f32\"");
    refuses(file_bytes(one("U8", "[-1]", "[0,2]"), "ab"), "non-negative integer");
    refuses(file_bytes(one("U8", "[2.0]", "[0,2]"), "ab"), "non-negative integer");
    refuses(file_bytes(one("U8", "[2]", "[0,1]"), "a"), "do not fit U8[2]");
    refuses(file_bytes(one("U8", "[2]", "[2,0]"), "ab"), "do not fit");
    refuses(file_bytes(one("U8", "[2]", "[0,1,2]"), "ab"), "malformed");
    refuses(file_bytes(one("F32", "[4294967296,4294967296]", "[0,0]"), ""), "too large");
    refuses(file_bytes(one("U8", "[18446744073709551615]", "[0,1]"), "a"), "too large");
    refuses(file_bytes(one("F64", "[2305843009213693952]", "[0,0]"), ""), "too large");
}

BOOST_AUTO_TEST_CASE(the_payload_must_be_tiled) {
    const auto two = [](const char* first, const char* second) {
        const std::string a = entry("a", "U8", "[2]", first), b = entry("b", "U8", "[2]", second);
        return join("{", a, ",", b, "}");
    };
    const TemporaryFolder folder;
    BOOST_TEST(loads(folder, file_bytes(two("[2,4]", "[0,2]"), "abcd")));
    refuses(file_bytes(two("[0,2]", "[3,5]"), "abcde"), "hole or overlap at byte 2");
    refuses(file_bytes(two("[0,2]", "[1,3]"), "abc"), "hole or overlap at byte 2");
    refuses(file_bytes(two("[1,3]", "[3,5]"), "abcde"), "hole or overlap at byte 0");
    refuses(file_bytes(two("[0,2]", "[2,4]"), "abcde"), "the file has 5");
    refuses(file_bytes(two("[0,2]", "[2,4]"), "abc"), "the file has 3");
}

BOOST_AUTO_TEST_CASE(reserved_and_unprintable_names_are_refused_in_writing) {
    const TemporaryFolder folder;
    const Tensor x = Tensor::full({1}, 1);
    const auto save = [&](const Tensors& tensors, const Metadata& metadata) {
        return [=, &folder] { save_safetensors(folder.path("x"), tensors, metadata); };
    };
    BOOST_CHECK(throws(ErrorKind::runtime, {"__metadata__"}, save({{"__metadata__", x}}, {})));
    BOOST_CHECK(throws(ErrorKind::runtime, {"writer"}, save({{"x", x}}, {{"writer", "me"}})));
    BOOST_CHECK(throws(ErrorKind::runtime, {"UTF-8"}, save({{"\xff", x}}, {})));
    BOOST_TEST(folder.names().empty());
}

BOOST_AUTO_TEST_SUITE_END()
