// Vectors of PyTorch's own quantized engines (tests/golden/make_pytorch.py): qnnpack (R1b) and
// onednn (R1c) of PyTorch 1.13, fbgemm (R1f) of 2.15.
#include <boost/test/unit_test.hpp>

#include "quant/hardware.h"
#include "tests/compare.h"

using namespace gradus;

namespace {

struct Sum {
    CodeGrid a, b, y;
};
const Sum sums[] = {
    {{0.05f, 3}, {0.05f, 7}, {0.1f, 11}},
    {{0.002f, 255}, {1.3f, 0}, {0.9f, 127}},
    {{0.11230737715959549f, 161}, {0.8219661116600037f, 32}, {0.020908964797854424f, 114}},
    {{0.24848461151123047f, 177}, {0.08584954589605331f, 178}, {0.13236157596111298f, 240}}};

Tensor vectors(const std::string& engine, const char* name) {
    return golden("pytorch/" + engine + "_" + name);
}

// Counts codes of the convolutions that a rule misses.
int64_t wrong_convolutions(const std::string& engine, RequantizeRule rule) {
    const float inputs[] = {0.0173f, 0.5f, 0.0031f, 1.0f};
    const OutputGrid grids[] = {
        {0.091f, 0, 0, 255}, {0.25f, 7, 0, 255}, {0.77f, 255, 0, 255}, {1.0f, 101, 0, 255}};
    const Tensor bias = vectors(engine, "conv_bias"), sw = vectors(engine, "conv_weight_scale");
    const Tensor codes = vectors(engine, "conv_codes"), y = vectors(engine, "conv_y");
    int64_t wrong = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
        const int64_t grid = i / y.shape()[1];
        const float b = bias.data<float>()[i], w = sw.data<float>()[i], x = inputs[grid];
        const RequantizeConstants k = requantize_constants(rule, x, w, grids[grid], b, true);
        const int32_t acc = 57 * codes.data<int8_t>()[i] +
                            (has_real_bias(rule) ? 0 : quantize_bias_value(b, x * w));
        wrong += requantize_value(rule, acc, k, grids[grid], 0, 255) != y.data<uint8_t>()[i];
    }
    return wrong;
}

int64_t wrong_sums(const std::string& engine, AddRule rule) {
    const Tensor y = vectors(engine, "add_y");
    int64_t wrong = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
        const Sum& sum = sums[i / 65536];
        const AddConstants k = add_constants(rule, sum.a, sum.b, sum.y);
        const int32_t a = static_cast<int32_t>(i % 65536 / 256), b = static_cast<int32_t>(i % 256);
        wrong += residual_add_value(rule, a, b, k, 0, 255) != y.data<uint8_t>()[i];
    }
    return wrong;
}

int64_t wrong_averages(const std::string& engine, PoolRule rule) {
    const int32_t sides[] = {2, 3, 4, 7}, zeros[] = {0, 3, 255, 128};
    const float scales[] = {0.05f, 0.0371f, 1.7f, 0.1f};
    const Tensor sum = vectors(engine, "average_sums"), y = vectors(engine, "average_y");
    int64_t wrong = 0;
    for (int64_t i = 0; i < y.numel(); ++i) {
        const int64_t row = i / y.shape()[1];
        const int32_t n = sides[row / 4] * sides[row / 4];
        const AverageConstants k = average_constants(rule, scales[row % 4], n);
        wrong += average_code(rule, sum.data<int32_t>()[i], n, k, zeros[row % 4], 0, 255) !=
                 y.data<uint8_t>()[i];
    }
    return wrong;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pytorch_engines, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(convolutions_equal_each_engine) {
    const RequantizeRule rules[] = {RequantizeRule::r1, RequantizeRule::r1b, RequantizeRule::r1c,
                                    RequantizeRule::r1f};
    for (const char* engine : {"qnnpack", "onednn", "fbgemm"}) {
        const RequantizeRule own = find_hardware(engine).requantize;
        for (const RequantizeRule rule : rules) {
            const int64_t wrong = wrong_convolutions(engine, rule);
            BOOST_TEST_MESSAGE(engine << " by " << rule_name(rule) << ": " << wrong);
            // The other rules are close, but the vectors must distinguish them from the engine's.
            BOOST_TEST((wrong == 0) == (rule == own), engine << " by " << rule_name(rule));
        }
    }
}

BOOST_AUTO_TEST_CASE(sums_equal_each_engine_on_all_pairs) {
    for (const char* engine : {"qnnpack", "onednn"}) {
        const int64_t wrong = wrong_sums(engine, find_hardware(engine).add);
        const int64_t otherwise = wrong_sums(engine, AddRule::xnnpack);
        BOOST_TEST_MESSAGE(engine << ": " << wrong << ", by XNNPACK's rule " << otherwise);
        BOOST_TEST(wrong == 0, engine);
        BOOST_TEST(otherwise > 0, engine);
    }
    BOOST_TEST((find_hardware("fbgemm").add == AddRule::torch));
}

BOOST_AUTO_TEST_CASE(averages_equal_each_engine) {
    for (const char* engine : {"qnnpack", "onednn", "fbgemm"}) {
        const int64_t wrong = wrong_averages(engine, find_hardware(engine).mean);
        BOOST_TEST(wrong == 0, engine << ": " << wrong);
        BOOST_TEST(wrong_averages(engine, PoolRule::mean) > 0, engine);
    }
}

BOOST_AUTO_TEST_SUITE_END()
