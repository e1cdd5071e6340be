#include "io/program_file.h"

#include <nlohmann/json.hpp>

#include "io/safetensors.h"

namespace gradus {

namespace {

using nlohmann::json;

json attribute_json(const AttributeValue& value) {
    return std::visit([](const auto& v) { return json(v); }, value);
}

AttributeValue attribute_value(const json& value) {
    if (value.is_number_integer()) return value.get<int64_t>();
    if (value.is_number_float()) return value.get<double>();
    if (value.is_array()) return value.get<std::vector<int64_t>>();
    return value.get<std::string>();
}

std::string constant_name(size_t index, const Instruction& instruction, const std::string& name) {
    return join(index, '.', instruction.name, '/', name);
}

json instruction_json(size_t index, const Instruction& instruction) {
    json attributes = json::object(), constants = json::object();
    for (const auto& [name, value] : instruction.attributes.values()) {
        attributes[name] = attribute_json(value);
    }
    for (const auto& [name, value] : instruction.constants) {
        constants[name] = constant_name(index, instruction, name);
    }
    return {{"name", instruction.name},           {"op", instruction.op},
            {"quantizer", instruction.quantizer}, {"inputs", instruction.inputs},
            {"output", instruction.output},       {"float", instruction.is_float},
            {"attributes", attributes},           {"constants", constants}};
}

Instruction instruction_of(const json& text, const std::map<std::string, Tensor>& tensors) {
    Instruction instruction;
    instruction.name = text.at("name");
    instruction.op = text.at("op");
    instruction.quantizer = text.at("quantizer");
    instruction.inputs = text.at("inputs").get<std::vector<int>>();
    instruction.output = text.at("output");
    instruction.is_float = text.at("float");
    for (const auto& [name, value] : text.at("attributes").items()) {
        instruction.attributes.set(name, attribute_value(value));
    }
    for (const auto& [name, value] : text.at("constants").items()) {
        instruction.constants[name] = tensors.at(value.get<std::string>());
    }
    return instruction;
}

// Checks that registers are written before they are read; the file is not trusted.
void validate(const std::string& path, const Program& program) {
    const auto known = [&](int reg) { return reg >= 0 && reg < program.registers; };
    std::vector<bool> written(std::max(program.registers, 1), false);
    written[0] = true;
    for (const Instruction& instruction : program.instructions) {
        for (int input : instruction.inputs) {
            check_kind(known(input) && written[input], ErrorKind::data, path, ": ",
                       instruction.name, " reads register ", input, " before it is written");
        }
        check_kind(known(instruction.output), ErrorKind::data, path, ": ", instruction.name,
                   " writes register ", instruction.output, " of ", program.registers);
        written[instruction.output] = true;
    }
    check_kind(known(program.output) && written[program.output], ErrorKind::data, path,
               ": nothing writes the output register");
}

Program parse(const std::string& text, const std::map<std::string, Tensor>& tensors) {
    const json head = json::parse(text);
    Program program;
    program.hardware = head.at("hardware");
    program.sample_shape = Shape(head.at("sample_shape").get<std::vector<int64_t>>());
    program.registers = head.at("registers");
    program.output = head.at("output");
    check(program.registers >= 1 && program.registers <= 1 << 20, "absurd number of registers");
    program.weight_bits = head.at("weight_bits").get<std::map<std::string, int64_t>>();
    for (const json& instruction : head.at("instructions")) {
        program.instructions.push_back(instruction_of(instruction, tensors));
    }
    return program;
}

}  // namespace

void save_program(const std::string& path, const Program& program) {
    json instructions = json::array();
    std::map<std::string, Tensor> tensors;
    for (size_t i = 0; i < program.instructions.size(); ++i) {
        const Instruction& instruction = program.instructions[i];
        instructions.push_back(instruction_json(i, instruction));
        for (const auto& [name, value] : instruction.constants) {
            tensors[constant_name(i, instruction, name)] = value;
        }
    }
    const json head{
        {"hardware", program.hardware},       {"sample_shape", program.sample_shape.extents()},
        {"registers", program.registers},     {"output", program.output},
        {"weight_bits", program.weight_bits}, {"instructions", instructions}};
    save_safetensors(path, tensors, {{"format", "gradus program 1"}, {"program", head.dump()}});
}

Program load_program(const std::string& path) {
    const SafetensorsFile file = load_safetensors(path);
    const auto head = file.metadata.find("program");
    check_kind(head != file.metadata.end(), ErrorKind::data, path,
               ": not a program; ./train writes one as program.safetensors");
    Program program;
    try {
        program = parse(head->second, file.tensors);
    } catch (const std::exception& reason) {
        fail(ErrorKind::data, path, ": damaged program (", reason.what(), ")");
    }
    validate(path, program);
    return program;
}

}  // namespace gradus
