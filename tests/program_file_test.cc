// program_file -- a Program on disk.
#include "io/program_file.h"

#include <boost/test/unit_test.hpp>

#include "integer/execute.h"
#include "integer/lower.h"
#include "io/safetensors.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

const Program& small_program() {
    static const Program program = lower(small_quantized("onnxruntime", Simulate::exact));
    return program;
}

// The file of the small program, with one piece of its instructions replaced.
std::string edited(const TemporaryFolder& folder, const std::string& piece,
                   const std::string& other) {
    const std::string path = folder.path("edited.safetensors");
    save_program(path, small_program());
    SafetensorsFile file = load_safetensors(path);
    std::string& text = file.metadata.at("program");
    const size_t at = text.find(piece);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, piece << " is not in " << text);
    text.replace(at, piece.size(), other);
    save_safetensors(path, file.tensors, file.metadata);
    return path;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(program_file, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(everything_comes_back) {
    const TemporaryFolder folder;
    const QuantizedModel academic = small_quantized("academic", Simulate::exact, 3);
    for (const Program& program : {small_program(), lower(academic)}) {
        save_program(folder.path("p"), program);
        const Program read = load_program(folder.path("p"));
        BOOST_TEST(read.hardware == program.hardware);
        BOOST_TEST(read.sample_shape == program.sample_shape);
        BOOST_TEST(read.registers == program.registers);
        BOOST_TEST(read.output == program.output);
        BOOST_TEST((read.weight_bits == program.weight_bits));
        BOOST_REQUIRE(read.instructions.size() == program.instructions.size());
        for (size_t i = 0; i < read.instructions.size(); ++i) {
            const Instruction &a = read.instructions[i], &b = program.instructions[i];
            BOOST_TEST(a.name == b.name);
            BOOST_TEST(a.op == b.op, b.name);
            BOOST_TEST(a.quantizer == b.quantizer, b.name);
            BOOST_TEST(a.inputs == b.inputs, boost::test_tools::per_element());
            BOOST_TEST(a.output == b.output, b.name);
            BOOST_TEST(a.is_float == b.is_float, b.name);
            BOOST_TEST((a.attributes.values() == b.attributes.values()), b.name);
            BOOST_REQUIRE(a.constants.size() == b.constants.size());
            for (const auto& [name, tensor] : b.constants) {
                BOOST_TEST(same_bits(a.constants.at(name), tensor), b.name << ' ' << name);
            }
        }
        const Tensor images = small_images(6);
        BOOST_TEST(same_bits(execute(read, images, IntegerKernel::fastest),
                             execute(program, images, IntegerKernel::fastest)));
    }
}

BOOST_AUTO_TEST_CASE(the_same_program_gives_the_same_bytes) {
    const TemporaryFolder folder;
    save_program(folder.path("a"), small_program());
    save_program(folder.path("b"), load_program(folder.path("a")));
    BOOST_TEST((read_bytes(folder.path("a")) == read_bytes(folder.path("b"))));
}

// Floats are only scales, multipliers and ratios: one number, or one for each channel.
BOOST_AUTO_TEST_CASE(no_float_weight_is_in_the_file) {
    const TemporaryFolder folder;
    save_program(folder.path("p"), small_program());
    size_t weights = 0;
    for (const auto& [name, tensor] : load_safetensors(folder.path("p")).tensors) {
        if (tensor.dtype() == DType::F32) BOOST_TEST(tensor.shape().rank() == 1, name);
        weights += name.ends_with("/weight") && tensor.dtype() == DType::I8;
    }
    BOOST_TEST(weights == 7);
}

BOOST_AUTO_TEST_CASE(damaged_files_are_data_errors) {
    const TemporaryFolder folder;
    save_program(folder.path("p"), small_program());
    const std::string bytes = read_bytes(folder.path("p"));
    const auto refused = [&](const std::string& path) {
        return throws(ErrorKind::data, {path}, [&] { load_program(path); });
    };
    BOOST_TEST(refused(folder.path("missing")));
    BOOST_TEST(refused(folder.file("half", bytes.substr(0, bytes.size() / 2))));
    std::string flipped = bytes;
    flipped[bytes.size() - 9] ^= 1;
    BOOST_TEST(refused(folder.file("flipped", flipped)));
    save_safetensors(folder.path("network"), {{"w", Tensor::zeros({2})}});
    BOOST_TEST(refused(folder.path("network")));
}

// The digest is right, but the program is invalid, as from another writer.
BOOST_AUTO_TEST_CASE(programs_that_are_none_are_data_errors) {
    const TemporaryFolder folder;
    const auto refused = [&](const std::string& piece, const std::string& other) {
        const std::string path = edited(folder, piece, other);
        return throws(ErrorKind::data, {path}, [&] { load_program(path); });
    };
    const std::string registers = join("\"registers\":", small_program().registers);
    const std::string output = join("\"output\":", small_program().output, ",\"registers\"");
    BOOST_TEST(refused(registers, "\"registers\":2"));
    BOOST_TEST(refused(registers, "\"registers\":-1"));
    BOOST_TEST(refused(registers, "\"registers\":\"many\""));
    BOOST_TEST(refused(output, "\"output\":-1,\"registers\""));
    BOOST_TEST(refused("\"inputs\":[1]", "\"inputs\":[9]"));  // read before it is written
    BOOST_TEST(refused("\"inputs\":[1]", "\"inputs\":[-4]"));
    BOOST_TEST(refused("\"output\":1", "\"output\":100000"));
    BOOST_TEST(refused("conv1/weight", "conv1/nothing"));
    BOOST_TEST(refused("\"instructions\":[", "\"instructions\":[{},"));
    BOOST_TEST(refused("{", "["));
    BOOST_TEST(throws(ErrorKind::data, {"no_such_op"}, [&] {
        const std::string path = edited(folder, "\"op\":\"conv2d\"", "\"op\":\"no_such_op\"");
        execute(load_program(path), small_images(1), IntegerKernel::fastest);
    }));
}

BOOST_AUTO_TEST_SUITE_END()
