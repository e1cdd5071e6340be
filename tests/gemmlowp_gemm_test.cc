// gemmlowp's golden matrix product: one layer of a real network, 192 x 256 x 1152 codes, and the
// 49,152 codes that gemmlowp expects of clip((acc + offset) 3401 + 2^20 >> 21).
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iostream>
#include <sstream>

#include "quant/fixed_point.h"
#include "tensor/kernels/conv2d_codes.h"

using namespace gradus;

namespace {

// Debian's libgemmlowp-dev; images without /usr/share/doc unpack it into third_party.
const char* const places[] = {
    "/usr/share/doc/libgemmlowp-dev/examples/test/test_data.cc",
    "third_party/libgemmlowp-dev/usr/share/doc/libgemmlowp-dev/examples/test/test_data.cc"};

std::string golden_source() {
    for (const char* place : places) {
        std::ifstream file(place);
        if (!file.good()) continue;
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
    return "";
}

int64_t constant(const std::string& source, const std::string& name) {
    return std::stoll(source.substr(source.find("int " + name + " = ") + name.size() + 7));
}

std::vector<uint8_t> bytes(const std::string& source, const std::string& name) {
    std::stringstream text(source.substr(source.find('{', source.find("char " + name)) + 1));
    std::vector<uint8_t> result;
    char comma = ',';
    for (int value; comma == ',' && text >> value; text >> comma) {
        result.push_back(static_cast<uint8_t>(value));
    }
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gemmlowp_gemm, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(a_layer_equals_gemmlowp) {
    const std::string source = golden_source();
    if (source.empty()) {
        std::cerr << "SKIPPED gemmlowp_gemm: " << places[0]
                  << " is missing; scripts/setup.sh installs it (libgemmlowp-dev)\n";
        return;
    }
    const int64_t m = constant(source, "m"), n = constant(source, "n"), k = constant(source, "k");
    const std::vector<uint8_t> a = bytes(source, "a_data"), b = bytes(source, "b_data");
    const std::vector<uint8_t> want = bytes(source, "expected_c_data");
    BOOST_REQUIRE(a.size() == static_cast<size_t>(m * k));
    BOOST_REQUIRE(b.size() == static_cast<size_t>(n * k));
    BOOST_REQUIRE(want.size() == 49152);
    // A's rows are the filters, with zero point 84; B's are the pixels.
    const std::vector<int32_t> zero(m, static_cast<int32_t>(-constant(source, "a_offset")));
    const std::vector<int32_t> bias(m, static_cast<int32_t>(constant(source, "c_offset")));
    const ConvCodes conv{.x = b.data(),
                         .x_signed = false,
                         .x_zero_point = static_cast<int32_t>(-constant(source, "b_offset")),
                         .w = a.data(),
                         .w_signed = false,
                         .w_zero_point = zero.data(),
                         .bias = bias.data(),
                         .shape = conv2d_shape("gemm", {n, 1, 1, k}, {m, 1, 1, k}, {})};
    const int64_t multiplier = constant(source, "c_mult_int");
    const int shift = static_cast<int>(constant(source, "c_shift"));
    for (const IntegerKernel kernel : integer_kernels()) {
        std::vector<uint8_t> got(want.size());
        conv2d_codes(Device::cpu(), conv, kernel,
                     [&](int64_t row, int64_t rows, const int32_t* acc) {
                         for (int64_t i = 0; i < rows * m; ++i) {
                             const int64_t code = shift_half_up(acc[i] * multiplier, shift);
                             got[row * m + i] = static_cast<uint8_t>(clamp_integer(code, 0, 255));
                         }
                     });
        int64_t wrong = 0;
        for (size_t i = 0; i < want.size(); ++i) wrong += got[i] != want[i];
        BOOST_TEST(wrong == 0, integer_kernel_name(kernel) << ": " << wrong << " of 49152");
    }
}

BOOST_AUTO_TEST_SUITE_END()
