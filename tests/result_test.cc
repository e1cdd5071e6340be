// result -- the flat, stable object that scripts read, and the tables that people read.
#include "run/train/result.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "run/console_table.h"
#include "run/train/result_tables.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Result full_result() {
    Result result;
    result.model = "resnet18";
    result.algo = "lsq";
    result.hardware = "onnxruntime";
    result.weight_algo = "dorefa";
    result.activation_algo = "pact";
    result.simulate = "exact";
    result.weight_bits = 4;
    result.activation_bits = 3;
    result.float_top1 = percent(9123, 10000);
    result.calibrated_top1 = 88.5;
    result.simulated_top1 = 90.5;
    result.integer_top1 = 90.5;
    result.predictions_compared = 10000;
    result.predictions_different = 0;
    result.codes_compared = 7340032000;
    result.codes_different = 12;
    result.images_per_second = 843.25;
    result.peak_rss_bytes = 1234567890;
    result.weights_sha256 = "ab12";
    result.parameters = 11172810;
    result.seconds = 601.5;
    return result;
}

std::string table_of(const Result& result, const FinalFacts& facts, bool utf8 = false) {
    std::ostringstream out;
    print_final_table(out, result, facts, utf8);
    return out.str();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(result, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(the_keys_and_their_order_are_fixed) {
    const auto json = nlohmann::ordered_json::parse(result_json(full_result()));
    std::string keys;
    for (const auto& [key, value] : json.items()) {
        keys += (keys.empty() ? "" : " ") + key;
        BOOST_TEST(value.is_primitive());
        BOOST_TEST(!value.is_null(), key);
    }
    BOOST_TEST(keys ==
               "model algo weight_algo activation_algo hardware simulate weight_bits "
               "activation_bits float_top1 "
               "calibrated_top1 simulated_top1 "
               "integer_top1 predictions_compared predictions_different codes_compared "
               "codes_different images_per_second peak_rss_bytes weights_sha256 parameters "
               "seconds");
    BOOST_TEST(result_json(full_result()).find("\"float_top1\": 91.23,") != std::string::npos);
    BOOST_TEST(result_json(full_result()).find("\"codes_compared\": 7340032000,") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_was_not_run_is_null) {
    Result result;
    result.model = "resnet18";
    result.seconds = NAN;
    const auto json = nlohmann::json::parse(result_json(result));
    BOOST_TEST(json.size() == 21);
    for (const auto& [key, value] : json.items()) BOOST_TEST(value.is_null() == (key != "model"));
}

BOOST_AUTO_TEST_CASE(a_result_is_read_back) {
    const TemporaryFolder folder;
    const std::string text = result_json(full_result());
    BOOST_TEST(result_json(read_result(folder.file("result.json", text))) == text);
    const std::string empty = result_json(Result());
    BOOST_TEST(result_json(read_result(folder.file("result.json", empty))) == empty);
    const auto read = [&] { read_result(folder.path("result.json")); };
    folder.file("result.json", text.substr(0, 100));
    BOOST_TEST(throws(ErrorKind::data, {"result.json"}, read));
    folder.file("result.json", "{\"model\": 3}");
    BOOST_TEST(throws(ErrorKind::data, {"result.json"}, read));
    BOOST_TEST(throws(ErrorKind::data, {"/nowhere"}, [] { read_result("/nowhere"); }));
}

BOOST_AUTO_TEST_CASE(percent_is_rounded_once) {
    BOOST_TEST(percent(9123, 10000) == 91.23);
    BOOST_TEST(percent(0, 10000) == 0.0);
    BOOST_TEST(percent(10000, 10000) == 100.0);
    BOOST_TEST(std::isnan(percent(0, 0)));
}

BOOST_AUTO_TEST_CASE(counts_and_sizes_are_readable) {
    BOOST_TEST(count_text(0) == "0");
    BOOST_TEST(count_text(999) == "999");
    BOOST_TEST(count_text(1000) == "1,000");
    BOOST_TEST(count_text(7340032000) == "7,340,032,000");
    BOOST_TEST(count_text(-123456) == "-123,456");
    BOOST_TEST(bytes_text(999) == "999 B");
    BOOST_TEST(bytes_text(1000) == "1.0 kB");
    BOOST_TEST(bytes_text(999960) == "1.0 MB");
    BOOST_TEST(bytes_text(44700000) == "44.7 MB");
}

BOOST_AUTO_TEST_CASE(columns_are_aligned) {
    ConsoleTable table({"name", "n"});
    table.row({"a", "1,000"});
    table.row({"longer", ""});
    std::ostringstream ascii, utf8;
    table.print(ascii, false);
    table.print(utf8, true);
    BOOST_TEST(ascii.str() ==
               "name   |     n\n"
               "-------+------\n"
               "a      | 1,000\n"
               "longer |\n");
    BOOST_TEST(utf8.str().find("│") != std::string::npos);
    BOOST_CHECK_THROW(table.row({"one cell"}), Error);
}

BOOST_AUTO_TEST_CASE(the_last_table_shows_the_three_side_by_side) {
    FinalFacts facts;
    facts.float_nodes = 0;
    facts.float_weight_bytes = 44700000;
    facts.packed_weight_bytes = 5700000;
    const std::string table = table_of(full_result(), facts);
    for (const char* part :
         {"float", "simulation (exact)", "integers", "91.23 %", "90.50 %", "W4 A3", "0 of 10,000",
          "12 of 7,340,032,000", "44.7 MB", "5.7 MB", "float nodes: 0", "10m02s", "1.2 GB"}) {
        BOOST_TEST(table.find(part) != std::string::npos, part);
    }
    for (const char byte : table) BOOST_TEST((byte == '\n' || (byte >= ' ' && byte <= '~')));
}

BOOST_AUTO_TEST_CASE(rows_of_what_was_not_run_are_left_out) {
    Result result;
    result.model = "resnet18";
    result.float_top1 = 90;
    const std::string table = table_of(result, FinalFacts());
    BOOST_TEST(table.find("90.00 %") != std::string::npos);
    BOOST_TEST(table.find("predictions") == std::string::npos);
    BOOST_TEST(table.find("float nodes") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(layers_have_a_row_each) {
    LayerRow layer;
    layer.name = "layer1.0.conv1";
    layer.kind = "conv2d";
    layer.activation_bits = 4;
    layer.codes_compared = 1000000;
    layer.codes_different = 7;
    layer.largest_difference = 2;
    std::ostringstream out;
    print_layer_table(out, {layer}, false);
    BOOST_TEST(out.str().find("layer1.0.conv1 | conv2d |      - |      4 | 1,000,000 |      7 |"
                              "       2\n") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
