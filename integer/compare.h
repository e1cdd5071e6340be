// compare -- runs the simulation and the Program side by side, quantizer by quantizer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "integer/execute.h"
#include "quant/prepare.h"

namespace gradus {

// Codes that differ.
struct CodeDifference {
    int64_t different = 0;
    int32_t largest = 0;
};
// Counts the differences between two tensors of codes of one shape.
void count_different(const Tensor& integer, const Tensor& simulated, CodeDifference& total);

// The simulated codes of a node with a quantizer: its own, or (qdq) the codes of its floats.
Tensor simulated_codes(const Node& node, const Variable& value);

// One quantizer's grid, over all images compared.
struct LayerComparison {
    std::string layer;  // the instruction's, "layer1.0.conv1"
    std::string op;
    std::string quantizer;
    int64_t codes_compared = 0;
    CodeDifference difference{};
};

// The values of one batch on both sides.
struct BatchOutcome {
    Tensor simulated_logits;  // [N, classes]
    Tensor integer_logits;
    double integer_seconds = 0.0;  // spent in the Program
};

class Comparison {
  public:
    Comparison(const QuantizedModel& model, const Program& program);

    // Runs the simulation by the inference graph and the Program by `kernel`, each on its own path,
    // and compares the codes of every quantized activation and the logits. `watch` sees the
    // Program.
    BatchOutcome add(const Tensor& images, IntegerKernel kernel, const Watch& watch = {});

    const std::vector<LayerComparison>& layers() const { return layers_; }  // in program order
    int64_t codes_compared() const;
    int64_t codes_different() const;
    int64_t predictions_compared() const { return predictions_compared_; }
    int64_t predictions_different() const { return predictions_different_; }
    int64_t logits_different() const { return logits_different_; }  // bitwise
    // The first layer, in program order, with different codes; "" if none.
    std::string first_different() const;

  private:
    void compare_codes(const Instruction& instruction, const Tensor& integer,
                       const Tensor& simulated);
    void compare_logits(const BatchOutcome& outcome);

    const QuantizedModel& model_;
    const Program& program_;
    std::vector<LayerComparison> layers_;
    std::map<std::string, size_t> index_;  // by quantizer
    int64_t predictions_compared_ = 0;
    int64_t predictions_different_ = 0;
    int64_t logits_different_ = 0;
};

// The first element that is not bitwise the same, 0 if shape or dtype differ, -1 if none; and an
// element as text, floats in hexadecimal.
int64_t first_difference(const Tensor& a, const Tensor& b);
std::string element_text(const Tensor& t, int64_t i);

// The index of the largest of `count` logits; ties go to the lowest index.
int64_t argmax(const float* logits, int64_t count);

// Lists layers whose constants (codes of weights, int32 biases, multipliers, scales, bounds) differ
// from the simulation's in any bit: "layer1.0.conv1: bias[3] is 12, the simulation has 11". Empty
// if all agree. Catches differences that no image happens to show.
std::vector<std::string> compare_constants(const QuantizedModel& model, const Program& program);

}  // namespace gradus
