// explain_steps -- the steps of a rule as a table and as JSON; what the topics about rules share.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "quant/rule_steps.h"

namespace gradus {

// "64.5000038147": 12 digits, enough to see on which side of a tie a value lies.
std::string digits_text(double value);
// "3.8146973e-06 (0x1p-18)": the shortest text that reads back, and every bit.
std::string bits_text(float value);
// "0.25 (1073741824 in Q31, shift -1)"
std::string q31_text(Q31 m);
// The float that a flag's number is. Error(usage): none that is positive and finite.
float scale_of_flag(const std::string& flag, double value);
// --qmin and --qmax, where unset the ends of the hardware's 8-bit activations.
CodeBounds bounds_of_flags(int qmin, int qmax, const std::string& hardware);

// What happened to all elements.
struct StepCounts {
    int64_t n = 0, below = 0, above = 0, ties = 0;

    void add(const RuleSteps& steps);
};

// The first elements: "element" and the operands, as many numbers each as there are names.
struct StepTable {
    std::vector<std::string> operands;
    std::vector<const char*> terms;
    std::vector<std::vector<int64_t>> numbers;
    std::vector<RuleSteps> steps;

    void add(std::vector<int64_t> of_operands, const RuleSteps& made);
};

void print_steps(const StepTable& table, const StepCounts& counts);
void add_steps(nlohmann::ordered_json& result, const StepTable& table, const StepCounts& counts);

}  // namespace gradus
