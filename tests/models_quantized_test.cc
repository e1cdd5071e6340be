// models -- every network quantized, and its integers compared with the simulation.
#include <boost/test/unit_test.hpp>

#include "integer/compare.h"
#include "integer/lower.h"
#include "models/models.h"
#include "tests/compare.h"
#include "tests/row_cases.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(models_quantized, *boost::unit_test::label("network"))

namespace {

struct Target {
    std::string model, hardware;
};

std::vector<Target> targets() {
    std::vector<Target> all;
    for (const Model& m : models()) {
        for (const char* hardware : {"onnxruntime", "tflite", "academic"}) {
            all.push_back({m.name, hardware});
        }
    }
    return all;
}

void check_target(const Target& target) {
    const Tensor images = random_tensor({2, 16, 16, 3}, 5);
    Recipe recipe;
    recipe.hardware = target.hardware;
    recipe.weight_bits = recipe.activation_bits = 4;
    QuantizedModel model =
        quantize(build_model(target.model, {{16, 16, 3}, 4, "half"}, Rng(1)), recipe);
    calibrate(model, images);
    const Program program = lower(model);
    BOOST_TEST(compare_constants(model, program).empty());
    Comparison comparison(model, program);
    comparison.add(images, IntegerKernel::readable);
    BOOST_TEST(comparison.codes_different() == 0);
    BOOST_TEST(comparison.logits_different() == 0);
    BOOST_TEST(comparison.first_different() == "");
    BOOST_TEST(comparison.codes_compared() > 10000);
}

const RowCases cases(
    "simulation_and_integers_agree", __FILE__, __LINE__, targets(),
    [](const Target& target) { return target.model + ' ' + target.hardware; }, check_target);

}  // namespace

BOOST_AUTO_TEST_SUITE_END()
