// models -- every network quantized, and its integers next to the simulation.
#include <boost/test/unit_test.hpp>

#include "integer/compare.h"
#include "integer/lower.h"
#include "models/models.h"
#include "tests/compare.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(models_quantized)

BOOST_AUTO_TEST_CASE(simulation_and_integers_agree_in_every_network) {
    const Tensor images = random_tensor({2, 16, 16, 3}, 5);
    for (const Model& m : models()) {
        for (const char* hardware : {"onnxruntime", "tflite", "academic"}) {
            BOOST_TEST_CONTEXT(m.name << ' ' << hardware) {
                Recipe recipe;
                recipe.hardware = hardware;
                recipe.weight_bits = recipe.activation_bits = 4;
                QuantizedModel model =
                    quantize(build_model(m.name, {{16, 16, 3}, 4, "half"}, Rng(1)), recipe);
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
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
