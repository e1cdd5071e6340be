// The simulation and the Program: no difference in exact mode, and every manipulation is found.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "integer/compare.h"
#include "integer/lower.h"
#include "io/program_file.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

BOOST_AUTO_TEST_SUITE(integer, *boost::unit_test::label("network"))

namespace {

Instruction& instruction(Program& program, const std::string& name) {
    for (Instruction& i : program.instructions) {
        if (i.name == name) return i;
    }
    throw std::runtime_error("no instruction " + name);
}

// Copies a Program with all its constants, so that a test may change them.
Program own_copy(const Program& program) {
    Program copy = program;
    for (Instruction& i : copy.instructions) {
        for (auto& [name, tensor] : i.constants) tensor = tensor.clone();
    }
    return copy;
}

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_differs_in_exact_mode) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        for (int bits : {2, 4, 8}) {
            const QuantizedModel model = small_quantized(hardware, Simulate::exact, bits);
            const Program program = lower(model);
            BOOST_TEST(compare_constants(model, program).empty());
            for (IntegerKernel kernel : integer_kernels()) {
                Comparison comparison(model, program);
                comparison.add(small_images(64, 77), kernel);
                BOOST_TEST_CONTEXT(hardware << ' ' << bits << ' ' << integer_kernel_name(kernel)) {
                    BOOST_TEST(comparison.codes_different() == 0);
                    BOOST_TEST(comparison.logits_different() == 0);
                    BOOST_TEST(comparison.predictions_different() == 0);
                    BOOST_TEST(comparison.first_different() == "");
                    BOOST_TEST(comparison.codes_compared() > 10000);
                    BOOST_TEST(comparison.predictions_compared() == 64);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_quantized_activation_is_compared) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Program program = lower(model);
    Comparison comparison(model, program);
    comparison.add(small_images(2), IntegerKernel::fastest);
    BOOST_TEST(static_cast<int64_t>(comparison.layers().size()) == model.activation_quantizers());
    for (const LayerComparison& layer : comparison.layers()) BOOST_TEST(layer.codes_compared > 0);
}

BOOST_AUTO_TEST_CASE(only_the_academic_program_has_float_nodes) {
    BOOST_TEST(lower(small_quantized("onnxruntime", Simulate::exact)).float_nodes() == 0);
    const Program academic = lower(small_quantized("academic", Simulate::exact));
    // 6 batch norms, 5 ReLUs, 2 adds, max pool, average pool, flatten.
    BOOST_TEST(academic.float_nodes() == 16);
}

BOOST_AUTO_TEST_CASE(the_program_holds_no_float_weights) {
    const Program program = lower(small_quantized("onnxruntime", Simulate::exact));
    for (const Instruction& i : program.instructions) {
        for (const auto& [name, tensor] : i.constants) {
            if (name == "weight") BOOST_TEST((tensor.dtype() == DType::I8));
            if (name == "bias") BOOST_TEST((tensor.dtype() == DType::I32));
            if (tensor.dtype() == DType::F32) BOOST_TEST(tensor.shape().rank() == 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(float_simulation_differs_and_is_counted) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::qdq);
    const Program program = lower(model);
    Comparison comparison(model, program);
    for (int i = 0; i < 20; ++i) comparison.add(small_images(100, 200 + i), IntegerKernel::fastest);
    BOOST_TEST(comparison.codes_different() > 0);
    BOOST_TEST(comparison.first_different() != "");
    // Lowering does not change the simulation.
    for (const auto& q : model.quantizers) BOOST_TEST((q->simulate == Simulate::qdq));
}

// Programs come from files.
BOOST_AUTO_TEST_CASE(constants_and_operands_of_other_sizes_are_refused) {
    const auto refused = [](const Program& program, const std::vector<std::string>& parts) {
        return throws(ErrorKind::data, parts,
                      [&] { execute(program, small_images(2), IntegerKernel::fastest); });
    };
    const Program lowered = lower(small_quantized("onnxruntime", Simulate::exact));
    Program program = lowered;
    instruction(program, "block1.conv2").constants["bias"] = Tensor::zeros({2}, DType::I32);
    BOOST_TEST(refused(program, {"block1.conv2: bias has 2 values, not 8"}));
    program = lowered;
    instruction(program, "fc").constants["scale"] = Tensor::zeros({1});
    BOOST_TEST(refused(program, {"fc: scale has 1 values, not 5"}));
    program = lowered;
    instruction(program, "conv1").constants["weight_zero_point"] = Tensor::zeros({3}, DType::I32);
    BOOST_TEST(refused(program, {"conv1: weight_zero_point has 3 values, not 8"}));
    program = lowered;
    instruction(program, "input.quantizer").constants["scale"] = Tensor::zeros({0});
    BOOST_TEST(refused(program, {"input.quantizer has no scale"}));
    program = lowered;
    Instruction& add = instruction(program, "block1.add");
    add.inputs[1] = instruction(program, "conv1").inputs[0];  // the image
    BOOST_TEST(refused(program, {"block1.add: the second operand has 288 values, not 576"}));
    program = lower(small_quantized("tensorrt", Simulate::exact));
    for (Instruction& i : program.instructions) {
        if (i.op != "conv2d" || i.inputs.size() < 2) continue;
        i.inputs[1] = instruction(program, "conv1").inputs[0];
        BOOST_TEST(refused(program, {i.name + ": the shortcut has 288 values"}));
        return;
    }
    BOOST_TEST(false, "no fused sum");
}

BOOST_AUTO_TEST_CASE(one_added_to_a_bias_is_named) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    for (const char* layer : {"conv1", "block1.conv2", "block2.downsample.0", "fc"}) {
        Program program = own_copy(lower(model));
        instruction(program, layer).constants.at("bias").data<int32_t>()[3] += 1;
        const auto found = compare_constants(model, program);
        BOOST_TEST(found.size() == 1u);
        BOOST_TEST(found.at(0).find(std::string(layer) + ": bias[3]") == 0u, found.at(0));
    }
}

BOOST_AUTO_TEST_CASE(one_ulp_of_a_multiplier_is_named) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    for (const char* layer : {"conv1", "block2.conv1"}) {
        Program program = own_copy(lower(model));
        float& m = instruction(program, layer).constants.at("multiplier").data<float>()[2];
        m = std::nextafter(m, INFINITY);
        const auto found = compare_constants(model, program);
        BOOST_TEST(found.size() == 1u);
        BOOST_TEST(found.at(0).find(std::string(layer) + ": multiplier[2]") == 0u, found.at(0));
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_layer_is_the_first_that_differs) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    for (const char* layer : {"conv1", "block1.conv1", "block2.conv2", "block2.add"}) {
        Program program = own_copy(lower(model));
        Instruction& changed = instruction(program, layer);
        if (changed.op == "add") {
            changed.constants.at("ratios").data<float>()[3] += 1.0f;
        } else {
            Tensor& bias = changed.constants.at("bias");
            for (int64_t c = 0; c < bias.numel(); ++c) bias.data<int32_t>()[c] += 40;
        }
        Comparison comparison(model, program);
        comparison.add(small_images(16), IntegerKernel::fastest);
        BOOST_TEST(comparison.first_different() == layer);
        BOOST_TEST(comparison.codes_different() > 0);
    }
}

BOOST_AUTO_TEST_CASE(a_program_comes_back_from_its_file_bit_for_bit) {
    const std::string path =
        (std::filesystem::temp_directory_path() / "gradus_program_test").string();
    for (const char* hardware : {"onnxruntime", "academic"}) {
        const QuantizedModel model = small_quantized(hardware, Simulate::exact);
        save_program(path, lower(model));
        const Program program = load_program(path);
        BOOST_TEST(compare_constants(model, program).empty());
        BOOST_TEST(program.float_nodes() == lower(model).float_nodes());
        BOOST_TEST(program.packed_bytes() == lower(model).packed_bytes());
    }
    std::filesystem::remove(path);
}

BOOST_AUTO_TEST_CASE(ties_of_the_argmax_go_to_the_lowest_index) {
    const float logits[] = {1.0f, 3.0f, 3.0f, 2.0f};
    BOOST_TEST(argmax(logits, 4) == 1);
}

// In a training step with frozen statistics, the forward pass equals the integers.
BOOST_AUTO_TEST_CASE(codes_are_simulated_with_the_tape_as_without) {
    const QuantizedModel model = small_quantized("onnxruntime", Simulate::exact);
    const Tensor images = small_images(8);
    RunMode with_tape;
    with_tape.gradients = true;
    const Tensor a = execute(model.inference, images, with_tape).output.data();
    const Tensor b = execute(model.inference, images, RunMode{}).output.data();
    BOOST_TEST(a.to_vector<float>() == b.to_vector<float>(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
