#include "integer/compare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "integer/lower.h"
#include "nn/executor.h"
#include "tensor/check.h"

namespace gradus {

namespace {

// Counts nodes, not quantizers: nodes joined by a concat share one.
int64_t quantized_activations(const Graph& graph) {
    return std::count_if(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
        const auto* q = dynamic_cast<const Quantizer*>(node.payload.get());
        return node.op == "quantize" && q->role == Role::activation;
    });
}

void compare_instruction(const Instruction& program, const Instruction& simulated,
                         std::vector<std::string>& differences) {
    const auto differs = [&](const auto&... parts) {
        differences.push_back(join(program.name, ": ", parts...));
    };
    if (program.op != simulated.op || program.inputs != simulated.inputs ||
        program.output != simulated.output || program.is_float != simulated.is_float ||
        program.quantizer != simulated.quantizer) {
        return differs("is another instruction than in the simulation");
    }
    if (program.attributes.values() != simulated.attributes.values()) {
        differs("has ", program.attributes, ", the simulation ", simulated.attributes);
    }
    if (program.constants.size() != simulated.constants.size()) differs("has other constants");
    for (const auto& [name, expected] : simulated.constants) {
        const auto found = program.constants.find(name);
        if (found == program.constants.end()) {
            differs("has no ", name);
        } else if (const int64_t i = first_difference(found->second, expected); i >= 0) {
            differs(name, '[', i, "] is ", element_text(found->second, i), ", the simulation has ",
                    element_text(expected, i));
        }
    }
}

}  // namespace

void count_different(const Tensor& integer, const Tensor& simulated, CodeDifference& total) {
    if (std::memcmp(integer.raw(), simulated.raw(), integer.bytes()) == 0) return;
    const CodeReader ours(integer), theirs(simulated);
    for (int64_t e = 0; e < integer.numel(); ++e) {
        const int32_t difference = std::abs(ours[e] - theirs[e]);
        total.different += difference != 0;
        total.largest = std::max(total.largest, difference);
    }
}

Tensor simulated_codes(const Node& node, const Variable& value) {
    if (value.exact()) return value.exact()->terms.at(0).codes;
    const auto& q = dynamic_cast<const Quantizer&>(*node.payload);
    return codes_of(q, q.grid(), value.data()).codes;
}

int64_t first_difference(const Tensor& a, const Tensor& b) {
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return 0;
    const size_t width = dtype_bytes(a.dtype());
    const auto* x = static_cast<const char*>(a.raw());
    const auto* y = static_cast<const char*>(b.raw());
    for (int64_t i = 0; i < a.numel(); ++i) {
        if (std::memcmp(x + i * width, y + i * width, width) != 0) return i;
    }
    return -1;
}

std::string element_text(const Tensor& t, int64_t i) {
    switch (t.dtype()) {
        case DType::F32: {
            char text[40];
            std::snprintf(text, sizeof text, "%a", t.data<float>()[i]);
            return text;
        }
        case DType::I32:
            return std::to_string(t.data<int32_t>()[i]);
        case DType::I8:
        case DType::U8:
            return std::to_string(CodeReader(t)[i]);
        default:
            return "?";
    }
}

int64_t argmax(const float* logits, int64_t count) {
    return std::max_element(logits, logits + count) - logits;
}

Comparison::Comparison(const QuantizedModel& model, const Program& program)
    : model_(model), program_(program) {
    for (const Instruction& instruction : program.instructions) {
        if (instruction.quantizer.empty()) continue;
        index_[instruction.quantizer] = layers_.size();
        layers_.push_back({instruction.name, instruction.op, instruction.quantizer});
    }
    const auto quantized = static_cast<int64_t>(layers_.size());
    const int64_t simulated = quantized_activations(model.inference);
    check(quantized == simulated, "compare: the program has ", quantized,
          " quantized activations, the simulation ", simulated);
}

BatchOutcome Comparison::add(const Tensor& images, IntegerKernel kernel, const Watch& watch) {
    std::map<std::string, Tensor> simulated;
    const Execution simulation =
        execute(model_.inference, images, RunMode{}, [&](const Node& node, const Variable& value) {
            if (index_.count(node.name)) simulated[node.name] = simulated_codes(node, value);
        });
    BatchOutcome outcome;
    outcome.simulated_logits = simulation.output.data();
    const auto start = std::chrono::steady_clock::now();
    outcome.integer_logits = execute(
        program_, images, kernel,
        [&](const Instruction& instruction, const Tensor& codes) {
            const auto found = simulated.find(instruction.quantizer);
            check(found != simulated.end(), "compare: the simulation has no quantizer ",
                  instruction.quantizer);
            compare_codes(instruction, codes, found->second);
            simulated.erase(found);
        },
        watch);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    outcome.integer_seconds = spent.count();
    check(simulated.empty(), "compare: the program has no codes for ",
          simulated.empty() ? "" : simulated.begin()->first);
    compare_logits(outcome);
    return outcome;
}

void Comparison::compare_codes(const Instruction& instruction, const Tensor& integer,
                               const Tensor& simulated) {
    check(integer.shape() == simulated.shape() && integer.dtype() == simulated.dtype(),
          "compare: ", instruction.name, " gives ", integer.dtype(), integer.shape(),
          ", the simulation ", simulated.dtype(), simulated.shape());
    LayerComparison& layer = layers_[index_.at(instruction.quantizer)];
    layer.codes_compared += integer.numel();
    count_different(integer, simulated, layer.difference);
}

void Comparison::compare_logits(const BatchOutcome& outcome) {
    const Tensor& a = outcome.simulated_logits;
    const Tensor& b = outcome.integer_logits;
    check(a.shape() == b.shape(), "compare: logits ", b.shape(), " and ", a.shape());
    const int64_t classes = a.shape()[1];
    for (int64_t row = 0; row < a.shape()[0]; ++row) {
        const float* x = a.data<float>() + row * classes;
        const float* y = b.data<float>() + row * classes;
        predictions_different_ += argmax(x, classes) != argmax(y, classes);
        logits_different_ += std::memcmp(x, y, classes * sizeof(float)) != 0;
    }
    predictions_compared_ += a.shape()[0];
}

int64_t Comparison::codes_compared() const {
    int64_t sum = 0;
    for (const LayerComparison& layer : layers_) sum += layer.codes_compared;
    return sum;
}

int64_t Comparison::codes_different() const {
    int64_t sum = 0;
    for (const LayerComparison& layer : layers_) sum += layer.difference.different;
    return sum;
}

std::string Comparison::first_different() const {
    for (const LayerComparison& layer : layers_) {
        if (layer.difference.different > 0) return layer.layer;
    }
    return "";
}

std::vector<std::string> compare_constants(const QuantizedModel& model, const Program& program) {
    std::vector<std::string> differences;
    const Program expected = lower(model);
    if (expected.instructions.size() != program.instructions.size()) {
        return {join("the program has ", program.instructions.size(),
                     " instructions, the simulation ", expected.instructions.size())};
    }
    if (program.output != expected.output) differences.push_back("the program has other logits");
    for (size_t i = 0; i < program.instructions.size(); ++i) {
        compare_instruction(program.instructions[i], expected.instructions[i], differences);
    }
    return differences;
}

}  // namespace gradus
