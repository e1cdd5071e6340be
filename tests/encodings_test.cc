// encodings -- AIMET's and TensorRT's files say what the grids are.
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
    const Grid grid = q.algorithm->grid(q);
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
    BOOST_TEST(w[3].at("offset") == -7);
    BOOST_TEST(w[3].at("max").get<double>() == -w[3].at("min").get<double>());
    BOOST_TEST(w[3].at("scale") != w[4].at("scale"));
}

BOOST_AUTO_TEST_CASE(tensorrts_ranges_are_127_steps) {
    const TemporaryFolder folder;
    const QuantizedModel model = small_quantized("tensorrt", Simulate::exact, 8);
    save_tensorrt_ranges(folder.path("r.json"), model);
    const json ranges =
        json::parse(read_bytes(folder.path("r.json"))).at("tensorrt").at("blob_range");
    const Quantizer& q = quantizer(model, "block1.relu1.quantizer");
    const double s = q.algorithm->grid(q).scale.data<float>()[0];
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
