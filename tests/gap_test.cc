// The gap between the float simulation and the integers, and the certificate: everything it proves
// is true, on every hardware row and for every algorithm; and it proves most of the equal codes.
#include "integer/gap.h"

#include <boost/test/unit_test.hpp>

#include "integer/compare.h"
#include "integer/lower.h"
#include "tests/pooled_network.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

Recipe recipe_of(const std::string& algorithm, const std::string& hardware, int bits) {
    Recipe recipe;
    recipe.algorithm = algorithm;
    recipe.hardware = hardware;
    recipe.weight_bits = recipe.activation_bits = bits;
    return recipe;
}

// Measurements on a few batches.
struct Measured {
    QuantizedModel model;
    Program program;
    Gap gap;

    explicit Measured(const Recipe& recipe, const Graph& network = small_network())
        : model(small_quantized(recipe, 4, network)), program(lower(model)), gap(model, program) {
        gap.add(small_images(40, 7), IntegerKernel::fastest);
        gap.add(small_images(24, 8), IntegerKernel::fastest);
    }
};

// Changes the scale of a quantizer, so that its layer's constants differ from the program's.
void scale_by(const QuantizedModel& model, const std::string& quantizer, float factor) {
    for (const auto& q : model.quantizers) {
        if (q->name == quantizer) q->parameter("scale").value.data<float>()[0] *= factor;
    }
}

// Codes that are rescaled: a ReLU after a pool of codes, not before it.
Graph rescaling_network() {
    GraphBuilder g({12, 12, 1}, Rng(6));
    int x = g.batch_norm("bn", g.conv2d("conv", g.input(), 1, 8, 3, square_conv(1, 1)), 8);
    x = g.relu("relu", g.max_pool2d("pool", x, square_pool(2, 2, 0)));
    x = g.flatten("flatten", g.global_average_pool("avgpool", x));
    return g.finish(g.linear("fc", x, 8, 5));
}

// Filters and images of one large number and of 2047 equal small ones: every addition of a filter's
// float sum rounds to the same side.
constexpr int64_t kTerms = 2048, kFilters = 64;

Graph drifting_network() {
    GraphBuilder g({1, 1, kTerms}, Rng(7));
    const int x = g.conv2d("conv", g.input(), kTerms, kFilters, 1, square_conv(1, 0));
    const int y = g.flatten("flatten", g.relu("relu", g.batch_norm("bn", x, kFilters)));
    const Graph network = g.finish(g.linear("fc", y, kFilters, 4));
    float* w = network.node(network.find("conv.weight")).parameter->value.data<float>();
    for (int64_t e = 0; e < kFilters * kTerms; ++e) {
        const int64_t o = e / kTerms;
        const float largest = 0.5f + 0.01f * static_cast<float>(o);
        w[e] = e % kTerms == 0 ? largest : largest / 127 * static_cast<float>(1 + o % 3);
    }
    return network;
}

Tensor drifting_images() {
    Tensor images = Tensor::full({3, 1, 1, kTerms}, 0.01f);
    for (int64_t e = 0; e < images.numel(); ++e) {
        const int64_t n = e / kTerms;
        images.data<float>()[e] = e % kTerms == 0 ? 2.55f : 0.01f * static_cast<float>(1 + n);
    }
    return images;
}

// Multipliers of 10 bits (Ascend), ranges in whole accumulators (Hexagon NN).
bool is_coarse(const Hardware& hardware) {
    return hardware.requantize == RequantizeRule::r10 || hardware.requantize == RequantizeRule::r8;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gap, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(what_is_proven_is_equal_on_every_row) {
    for (const Hardware& hardware : hardware_table()) {
        for (const char* algorithm : {"lsq", "lsq+", "pact", "dorefa", "minmax"}) {
            for (const int bits : {4, 8}) {
                const Measured m(recipe_of(algorithm, hardware.name, bits));
                const LayerGap total = m.gap.total();
                const std::string name = join(algorithm, ' ', hardware.name, ' ', bits);
                BOOST_TEST(total.proven_different == 0, name);
                BOOST_TEST(total.forced.different <= total.near_tie, name);
                BOOST_TEST(m.gap.images() == 64);
                BOOST_TEST(total.codes > 50000);
                if (algorithm == std::string("lsq+")) continue;  // proves nothing if z is free
                BOOST_TEST(total.near_tie < total.codes / (is_coarse(hardware) ? 2 : 10),
                           name << ": " << total.near_tie << " of " << total.codes);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(codes_that_are_rescaled_or_averaged_are_within_their_bounds) {
    for (const Hardware& hardware : hardware_table()) {
        const Recipe recipe = recipe_of("lsq", hardware.name, 8);
        const Measured rescaled(recipe, rescaling_network());
        BOOST_TEST(rescaled.gap.total().proven_different == 0, hardware.name);
        // counts differ, if the library can leave padding out
        const PoolAttrs& window = pool_windows[hardware.always_counts_padding ? 1 : 2];
        const Measured averaged(recipe, pooled_network(window));
        BOOST_TEST(averaged.gap.total().proven_different == 0, hardware.name);
    }
}

BOOST_AUTO_TEST_CASE(float_sums_that_drift_are_within_their_bound) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        QuantizedModel model = quantize(drifting_network(), recipe_of("minmax", hardware, 8));
        calibrate(model, drifting_images());
        CodeDifference forced{};
        for (int step = 0; step < 40; ++step) {
            for (const char* name : {"relu.quantizer", "fc.input.quantizer"}) {
                scale_by(model, name, 0.99f);
            }
            const Program program = lower(model);
            Gap gap(model, program);
            gap.add(drifting_images(), IntegerKernel::fastest);
            BOOST_TEST(gap.total().proven_different == 0, hardware << ' ' << step);
            forced.different += gap.total().forced.different;
        }
        BOOST_TEST(forced.different > 10, hardware << ": " << forced.different);
    }
}

BOOST_AUTO_TEST_CASE(nothing_is_proven_of_sums_that_may_saturate) {
    Recipe recipe = recipe_of("lsq", "fbgemm", 8);
    recipe.accumulator = AccumulatorPolicy::acc16;
    const Measured m(recipe);
    BOOST_TEST(m.gap.total().forced.different > 0);
    BOOST_TEST(m.gap.total().proven_different == 0);
}

// s_x s_w overflows float: the bound does not cover the integers' result.
BOOST_AUTO_TEST_CASE(nothing_is_proven_of_scales_that_overflow) {
    const QuantizedModel model = small_quantized("academic", Simulate::exact);
    for (const auto& q : model.quantizers) {
        if (q->name.rfind("block1.conv1.", 0) == 0) scale_by(model, q->name, 1e25f);
    }
    const Program program = lower(model);
    Gap gap(model, program);
    gap.add(small_images(16), IntegerKernel::fastest);
    BOOST_TEST(gap.total().forced.different > 0);
    BOOST_TEST(gap.total().proven_different == 0);
}

BOOST_AUTO_TEST_CASE(float_batch_norm_between_is_bounded_too) {
    Recipe recipe = recipe_of("lsq", "academic", 4);
    recipe.bn_fold = -1;
    const Measured m(recipe);
    BOOST_TEST(m.gap.total().proven_different == 0);
    BOOST_TEST(m.gap.total().near_tie < m.gap.total().codes / 10);
}

// Corrupts the first layer of the program: both runs report it there, the free one also after it.
BOOST_AUTO_TEST_CASE(a_wrong_layer_is_seen_where_it_is) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Program program = lower(model);
    scale_by(model, "block1.relu1.quantizer", 1.2f);
    Gap gap(model, program);
    gap.add(small_images(16), IntegerKernel::fastest);
    int64_t behind_forced = 0, behind_free = 0;
    for (const LayerGap& layer : gap.layers()) {
        if (layer.layer == "block1.conv1") {
            BOOST_TEST(layer.forced.different > layer.codes / 50);
            BOOST_TEST(layer.proven_different > 0);
        } else if (layer.layer == "block2.conv1") {
            behind_forced += layer.forced.different;
            behind_free += layer.free.different;
        }
    }
    BOOST_TEST(behind_free > behind_forced);
}

// The free run is the same simulation as in training by --simulate qdq.
BOOST_AUTO_TEST_CASE(the_free_run_is_the_comparison_in_qdq) {
    const QuantizedModel model = small_quantized("tflite", Simulate::qdq);
    const Program program = lower(model);
    Gap gap(model, program);
    Comparison comparison(model, program);
    for (const uint64_t seed : {3, 4}) {
        gap.add(small_images(48, seed), IntegerKernel::fastest);
        comparison.add(small_images(48, seed), IntegerKernel::fastest);
    }
    for (const LayerComparison& layer : comparison.layers()) {
        const auto found =
            std::find_if(gap.layers().begin(), gap.layers().end(),
                         [&](const LayerGap& candidate) { return candidate.layer == layer.layer; });
        BOOST_REQUIRE((found != gap.layers().end()));
        BOOST_TEST(found->free.different == layer.difference.different, layer.layer);
        BOOST_TEST(found->free.largest == layer.difference.largest, layer.layer);
    }
    BOOST_TEST(gap.predictions_different() == comparison.predictions_different());
    BOOST_TEST(comparison.codes_different() > 0);
}

// For an image without outputs near a tie, the free run gives the integers' codes.
BOOST_AUTO_TEST_CASE(images_that_are_proven_are_equal) {
    const QuantizedModel model = small_quantized("academic", Simulate::exact);
    const Program program = lower(model);
    int proven = 0;
    for (uint64_t seed = 0; seed < 100; ++seed) {
        Gap gap(model, program);
        gap.add(small_images(1, seed), IntegerKernel::fastest);
        if (gap.images_proven() == 0) continue;
        ++proven;
        BOOST_TEST(gap.total().near_tie == 0);
        BOOST_TEST(gap.total().free.different == 0);
    }
    BOOST_TEST(proven > 50);
}

// The model's way of simulating is restored.
BOOST_AUTO_TEST_CASE(the_model_is_left_as_it_was) {
    const Measured m(recipe_of("lsq", "xnnpack", 4));
    for (const auto& q : m.model.quantizers) BOOST_TEST((q->simulate == Simulate::exact));
}

BOOST_AUTO_TEST_SUITE_END()
