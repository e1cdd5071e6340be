// bias_fit -- biases that would overflow int32 fit, on every hardware and on both sides of the
// formula.
#include "quant/bias_fit.h"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "integer/accumulators.h"
#include "integer/compare.h"
#include "integer/lower.h"
#include "quant/requantize_exact.h"
#include "tests/files.h"
#include "tests/quantizers.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

// A weight's quantizer on a row, and a parameter of a network by name.
Quantizer weight_on(const char* hardware) {
    Quantizer q;
    q.hardware = &find_hardware(hardware);
    q.format = q.hardware->weight;
    return q;
}

float* values(const Graph& network, const std::string& name) {
    return network.node(network.find(name)).parameter->value.data<float>();
}

const Instruction& instruction(const Program& program, const std::string& name) {
    for (const Instruction& i : program.instructions) {
        if (i.name == name) return i;
    }
    throw std::runtime_error("no instruction " + name);
}

constexpr int kDead = 5;

// All weights of filter 5 of block1.conv2 equal `weight`, and its batch norm passes 3.0 on. The
// layer reads small activations, so that 2^-16 of the largest weight scale is too small for that
// bias.
Graph with_dead_filter(float weight) {
    const Graph network = small_network();
    train_a_little(network, 4);
    std::fill_n(values(network, "block1.conv2.weight") + kDead * 72, 72, weight);
    for (const char* name : {"block1.bn1.weight", "block1.bn1.bias"}) {
        for (int64_t c = 0; c < 8; ++c) values(network, name)[c] *= 1e-3f;
    }
    values(network, "block1.bn2.running_mean")[kDead] = 0.0f;
    values(network, "block1.bn2.running_var")[kDead] = 1e-3f;
    values(network, "block1.bn2.bias")[kDead] = 3.0f;
    return network;
}

QuantizedModel calibrated(const Graph& network, const char* hardware, const char* algorithm) {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.algorithm = algorithm;
    recipe.weight_bits = recipe.activation_bits = 8;
    QuantizedModel model = quantize(network, recipe);
    calibrate(model, small_images(32));
    return model;
}

// Checks that no codes differ and that accumulators fit int32.
Program sound_program(const QuantizedModel& model) {
    const Program program = lower(model);
    Comparison comparison(model, program);
    comparison.add(small_images(16, 77), IntegerKernel::fastest);
    BOOST_TEST(comparison.codes_different() == 0);
    BOOST_TEST(comparison.logits_different() == 0);
    BOOST_TEST(compare_constants(model, program).empty());
    return program;
}

Quantizer& weight_quantizer_of(const QuantizedModel& model) {
    for (const auto& q : model.quantizers) {
        if (q->name == "block1.conv2.weight.quantizer") return *q;
    }
    throw std::runtime_error("no quantizer of block1.conv2.weight");
}

double bias_in_real_units(const QuantizedModel& model, const Program& program) {
    const Quantizer& q = weight_quantizer_of(model);
    const Tensor scale = q.grid().scale;
    const double s = scale.data<float>()[scale.numel() == 1 ? 0 : kDead];
    const Tensor& codes = instruction(program, "block1.conv2").constants.at("bias");
    return codes.data<int32_t>()[kDead] * s * q.input->grid().scale.data<float>()[0];
}

// Rows that add a float bias after the accumulators have nothing to fit.
bool has_codes(const Program& program) {
    return instruction(program, "block1.conv2").constants.count("bias") > 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bias_fit, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(a_bias_leaves_room_for_every_product) {
    for (const int64_t n : {1, 9, 576, 4608, 16383}) {
        const double most = largest_bias_code(RequantizeRule::r2, n);
        BOOST_TEST(most == 0x1p31 - 0x1p16 * double(n + 1));
        BOOST_TEST(most + 255.0 * 255.0 * double(n) < 2147483647.0);
    }
    BOOST_TEST(largest_bias_code(RequantizeRule::r1, 16384) == 0x1p30);
    BOOST_TEST(largest_bias_code(RequantizeRule::r1, 1 << 20) == 0x1p30);
    BOOST_TEST(largest_bias_code(RequantizeRule::r5, 9) == 0x1p30);
    BOOST_TEST(largest_bias_code(RequantizeRule::r8, 9) == 0x1p28);
}

// At the least scale the bias has the largest code; a scale smaller by 2^-20 would exceed it.
BOOST_AUTO_TEST_CASE(the_least_scale_is_the_boundary) {
    const Quantizer q = weight_on("onnxruntime");
    const Shape filters{4, 3, 3, 8};
    const double most = largest_bias_code(RequantizeRule::r1, 72);
    for (const float s_x : {1.1920929e-7f, 0.0123f, 1.0f, 77.7f}) {
        const Tensor bias = Tensor::from<float>({3.0f, -0.001f, 0.0f, -1e6f}, {4});
        const Tensor least = least_weight_scales(q, filters, bias, s_x);
        Tensor step = Tensor::empty({4}), below = Tensor::empty({4});
        for (int c = 0; c < 4; ++c) {
            step.data<float>()[c] = s_x * least.data<float>()[c];
            below.data<float>()[c] = step.data<float>()[c] * (1.0f - 0x1p-14f);
        }
        const auto codes = bias_codes(BiasRule::accumulator, bias, step).to_vector<int32_t>();
        const auto beyond = bias_codes(BiasRule::accumulator, bias, below).to_vector<int32_t>();
        BOOST_TEST(least.data<float>()[2] == 0.0f);
        for (const int c : {0, 1, 3}) {
            const double sign = c == 0 ? 1.0 : -1.0;
            BOOST_TEST(std::fabs(sign * codes[c] - most) <= 512.0);
            BOOST_TEST(sign * beyond[c] > most + 512.0);
            BOOST_TEST(std::abs(int64_t{codes[c]}) + 72 * 255 * 255 < INT32_MAX);
        }
    }
}

BOOST_AUTO_TEST_CASE(one_scale_is_that_of_the_largest_bias_and_shifts_take_powers_of_two) {
    const Shape filters{3, 1, 1, 8};
    const Tensor bias = Tensor::from<float>({1.0f, -5.0f, 2.0f}, {3});
    const Tensor one = least_weight_scales(weight_on("hexagon-nn"), filters, bias, 0.5f);
    BOOST_TEST(one.numel() == 1);
    BOOST_TEST(one.data<float>()[0] == 10.0f / 0x1p28f);
    const Tensor shift = least_weight_scales(weight_on("tvm"), filters, bias, 0.5f);
    BOOST_TEST(shift.data<float>()[0] == 16.0f / 0x1p30f);  // 10, to a power of two
    const Tensor exact = least_weight_scales(weight_on("tvm"), filters,
                                             Tensor::from<float>({1.0f, -4.0f, 2.0f}, {3}), 0.5f);
    BOOST_TEST(exact.data<float>()[0] == 8.0f / 0x1p30f);
}

BOOST_AUTO_TEST_CASE(only_a_scale_below_the_least_one_changes) {
    Quantizer q = make_quantizer({"minmax", Role::weight, format_of(8)});
    set_parameter(q, "scale", {0.01f});
    const float own = q.grid().scale.data<float>()[0];
    q.least_scale = Tensor::full({1}, std::nextafter(own, 0.0f));
    BOOST_TEST(q.grid().scale.data<float>()[0] == own);
    BOOST_TEST(!raises_scale(q));
    q.least_scale = Tensor::full({1}, 2 * own);
    BOOST_TEST(q.grid().scale.data<float>()[0] == 2 * own);
    BOOST_TEST(raises_scale(q));
    BOOST_TEST(q.values_of("scale")[0] == own);  // the learned value stays
}

BOOST_AUTO_TEST_CASE(a_dead_filter_keeps_its_bias_on_every_hardware) {
    for (const float weight : {0.0f, 1e-7f, -1e-9f}) {
        const Graph network = with_dead_filter(weight);
        for (const Hardware& row : hardware_table()) {
            BOOST_TEST_CONTEXT(row.name << " " << weight) {
                const QuantizedModel model = calibrated(network, row.name, "minmax");
                const Program program = sound_program(model);
                if (!has_codes(program)) continue;
                BOOST_TEST(raises_scale(weight_quantizer_of(model)) == row.weight.per_channel());
                BOOST_TEST(std::fabs(bias_in_real_units(model, program) - 3.0) < 1e-3);
            }
        }
    }
}

// Covers scales that follow the weights, that are learned, that are squashed.
BOOST_AUTO_TEST_CASE(every_algorithm_keeps_the_bias_of_a_dead_filter) {
    const Graph network = with_dead_filter(1e-9f);
    for (const char* algorithm : {"lsq", "lsq+", "dsq", "dorefa"}) {
        BOOST_TEST_CONTEXT(algorithm) {
            const QuantizedModel model = calibrated(network, "onnxruntime", algorithm);
            const Program program = sound_program(model);
            BOOST_TEST(raises_scale(weight_quantizer_of(model)));
            BOOST_TEST(std::fabs(bias_in_real_units(model, program) - 3.0) < 1e-3);
        }
    }
}

// A single scale for the tensor is raised if all its filters are dead.
BOOST_AUTO_TEST_CASE(a_dead_layer_keeps_its_biases_on_every_hardware) {
    for (const float weight : {0.0f, 1e-9f}) {
        const Graph network = with_dead_filter(weight);
        std::fill_n(values(network, "block1.conv2.weight"), 8 * 72, weight);
        for (const Hardware& row : hardware_table()) {
            for (const char* algorithm : {"minmax", "lsq", "tqt"}) {
                if (algorithm == std::string("tqt") && row.name != std::string("tvm")) continue;
                BOOST_TEST_CONTEXT(row.name << " " << algorithm << " " << weight) {
                    const QuantizedModel model = calibrated(network, row.name, algorithm);
                    const Program program = sound_program(model);
                    if (!has_codes(program)) continue;
                    BOOST_TEST(raises_scale(weight_quantizer_of(model)));
                    BOOST_TEST(std::fabs(bias_in_real_units(model, program) - 3.0) < 1e-3);
                }
            }
        }
    }
}

// All foldings train with the scale that is deployed.
BOOST_AUTO_TEST_CASE(training_puts_the_raised_scale_in_force) {
    for (int folding = 0; folding <= 4; ++folding) {
        const Graph network = with_dead_filter(0.0f);
        Recipe recipe;
        recipe.bn_fold = folding;
        QuantizedModel model = quantize(network, recipe);
        calibrate(model, small_images(32));
        Quantizer& q = weight_quantizer_of(model);
        BOOST_TEST_CONTEXT("folding " << folding) {
            BOOST_TEST(raises_scale(q));
            q.least_scale = Tensor();
            execute(model.training, small_images(4), RunMode{true, true, 0, 1});
            BOOST_TEST(raises_scale(q));
            BOOST_TEST(q.grid().scale.data<float>()[kDead] == q.least_scale.data<float>()[kDead]);
            train_a_little(model.training, 3, 0.02f);
            sound_program(model);
        }
    }
}

// An activation that is always 0 has the scale 1, and the layer that reads it keeps its bias.
BOOST_AUTO_TEST_CASE(a_dead_activation_has_the_scale_1_on_every_hardware) {
    const Graph network = small_network();
    train_a_little(network, 4);
    std::fill_n(values(network, "block1.bn1.bias"), 8, -100.0f);
    std::fill_n(values(network, "block1.bn2.running_mean"), 8, 0.0f);
    std::fill_n(values(network, "block1.bn2.bias"), 8, 1.0f);
    for (const Hardware& row : hardware_table()) {
        for (const char* algorithm : {"minmax", "lsq", "lsq+", "tqt", "dsq"}) {
            if (algorithm == std::string("tqt") && !row.weight.symmetric) continue;
            if (algorithm == std::string("tqt") && !row.activation.symmetric) continue;
            BOOST_TEST_CONTEXT(row.name << " " << algorithm) {
                const QuantizedModel model = calibrated(network, row.name, algorithm);
                const Program program = sound_program(model);
                int dead = 0;
                for (const auto& q : model.quantizers) {
                    if (!q->saw_nothing) continue;
                    BOOST_TEST(q->grid().scale.data<float>()[0] == 1.0f);
                    ++dead;
                }
                BOOST_TEST(dead == 1);
                if (!has_codes(program)) continue;
                BOOST_TEST(std::fabs(bias_in_real_units(model, program) - 1.0) < 0.01);
            }
        }
    }
}

// Constants that no scale of the weights can fit are refused, not truncated.
BOOST_AUTO_TEST_CASE(constants_that_do_not_fit_are_refused_by_name) {
    const OutputGrid y{1.0f, 128, 0, 255};
    const auto refusal = [&](RequantizeRule rule, float s, float bias, const OutputGrid& grid) {
        return requantize_refusal(rule, requantize_constants(rule, s, s, grid, bias, true), grid);
    };
    BOOST_TEST(refusal(RequantizeRule::r8, 1e-3f, 0.0f, y) == "");
    BOOST_TEST(refusal(RequantizeRule::r8, 1e-5f, 0.0f, y).find("output's range") !=
               std::string::npos);
    BOOST_TEST(refusal(RequantizeRule::r9, 1.0f, 1e38f, {1e-7f, 0, -128, 127}).find("bias") !=
               std::string::npos);
    BOOST_TEST(refusal(RequantizeRule::r9, 1.0f, 1e38f, y) == "");
    BOOST_TEST(add_refusal(AddRule::tvm, {0x1p-3f, 0}, {0x1p-26f, 0}, {1.0f, 0}) == "");
    BOOST_TEST(add_refusal(AddRule::tvm, {0x1p-2f, 0}, {0x1p-26f, 0}, {1.0f, 0}).find("2^23") !=
               std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
