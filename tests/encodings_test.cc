// encodings -- AIMET's and TensorRT's files match the grids.
#include "io/encodings.h"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

using nlohmann::json;

const Quantizer& quantizer(const QuantizedModel& model, const std::string& name) {
    for (const auto& q : model.quantizers) {
        if (q->name == name) return *q;
    }
    fail(ErrorKind::runtime, "test: no quantizer ", name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(encodings, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(aimets_numbers_are_those_of_the_grids) {
    const TemporaryFolder folder;
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact, 4);
    save_encodings(folder.path("e.json"), model);
    const json file = json::parse(read_bytes(folder.path("e.json")));
    BOOST_TEST(file.at("version") == "0.6.1");
    BOOST_TEST(file.at("quantizer_args").at("param_bitwidth") == 4);
    BOOST_TEST(file.at("quantizer_args").at("per_channel_quantization") == "True");

    const Quantizer& q = quantizer(model, "block1.bn2.quantizer");
    const Grid grid = q.grid();
    const double s = grid.scale.data<float>()[0];
    const int z = grid.zero_point.data<int32_t>()[0];
    BOOST_TEST(z > 0);
    const json& a =
        file.at("activation_encodings")
            .at(model.inference.node(model.inference.node(model.inference.find(q.name)).inputs[0])
                    .name);
    BOOST_REQUIRE(a.size() == 1u);
    BOOST_TEST(a[0].at("bitwidth") == 4);
    BOOST_TEST(a[0].at("dtype") == "int");
    BOOST_TEST(a[0].at("is_symmetric") == "False");  // a text, as AIMET writes it
    BOOST_TEST(a[0].at("offset") == -z);
    BOOST_TEST(a[0].at("scale").get<double>() == s);
    BOOST_TEST(a[0].at("min").get<double>() == -z * s);
    BOOST_TEST(a[0].at("max").get<double>() == (15 - z) * s);

    const json& w = file.at("param_encodings").at("block2.conv1.weight");
    BOOST_REQUIRE(w.size() == 16u);  // one a channel
    BOOST_TEST(w[3].at("is_symmetric") == "True");
    BOOST_TEST(w[3].at("offset") == -8);  // the codes are those of [-7, 7]
    BOOST_TEST(w[3].at("scale") != w[4].at("scale"));
}

// min = s offset and max = s (offset + 2^b - 1); symmetric: offset -2^(b-1), or 0 for unsigned
// codes; else it is in [-(2^b - 1), 0]. SNPE's converters refuse others.
BOOST_AUTO_TEST_CASE(every_rows_offsets_are_what_readers_take) {
    const TemporaryFolder folder;
    for (const Hardware& row : hardware_table()) {
        const QuantizedModel model = small_quantized(row.name, Simulate::exact, 4);
        save_encodings(folder.path("e.json"), model);
        const json file = json::parse(read_bytes(folder.path("e.json")));
        int entries = 0;
        for (const char* part : {"activation_encodings", "param_encodings"}) {
            for (const auto& [name, list] : file.at(part).items()) {
                for (const json& e : list) {
                    const int bits = e.at("bitwidth"), offset = e.at("offset");
                    const double s = e.at("scale");
                    BOOST_TEST_CONTEXT(row.name << " " << name) {
                        BOOST_TEST(e.at("min").get<double>() == s * offset);
                        BOOST_TEST(e.at("max").get<double>() == s * (offset + (1 << bits) - 1));
                        const bool ends = offset == 0 || offset == -(1 << (bits - 1));
                        const bool within = offset <= 0 && offset >= 1 - (1 << bits);
                        BOOST_TEST((e.at("is_symmetric") == "True" ? ends : within));
                    }
                    ++entries;
                }
            }
        }
        BOOST_TEST(entries > 10);
    }
}

BOOST_AUTO_TEST_CASE(tensorrts_ranges_are_127_steps) {
    const TemporaryFolder folder;
    const QuantizedModel model = small_quantized("tensorrt", Simulate::exact, 8);
    save_tensorrt_ranges(folder.path("r.json"), model);
    const json ranges =
        json::parse(read_bytes(folder.path("r.json"))).at("tensorrt").at("blob_range");
    const Quantizer& q = quantizer(model, "block1.relu1.quantizer");
    const double s = q.grid().scale.data<float>()[0];
    BOOST_TEST(ranges.at("block1.relu1").get<double>() == 127.0 * s);
    BOOST_TEST(ranges.contains("input"));
    BOOST_TEST(!ranges.contains("conv1.weight"));
    BOOST_TEST(static_cast<int64_t>(ranges.size()) == model.activation_quantizers());
    for (const auto& [hardware, bits] :
         {std::pair("onnxruntime", 8), std::pair("tflite", 8), std::pair("tensorrt", 4)}) {
        const QuantizedModel other = small_quantized(hardware, Simulate::exact, bits);
        BOOST_TEST(throws(ErrorKind::usage, {"--tensorrt-ranges", "symmetric int8", "--hardware"},
                          [&] { save_tensorrt_ranges(folder.path("no.json"), other); }),
                   hardware);
    }
    BOOST_TEST(folder.names() == std::vector<std::string>{"r.json"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
