// rule_report -- the constants that an instruction's rounding rule uses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "integer/program.h"

namespace gradus {

// Fields that the rule does not have stay empty. For a layer with a multiplier for each channel:
// the least and the largest. For a sum: one for each operand, then one for the result if the rule
// scales it too.
struct RuleReport {
    std::string rule;                // "R1", "onnxruntime"; "" if nothing is rounded
    bool per_operand = false;        // true for a sum
    std::vector<double> multiplier;  // f32, or an integer (Q31, a reciprocal)
    std::vector<int64_t> shift;      // exponents of Q31, or shifts
};

// `pixels`: the number of codes in one average, which decides its multiplier.
RuleReport rule_report(const Instruction& instruction, int64_t pixels);

// "0.0021", "0.0021..0.014", or for a sum "0.52, 0.91"; "-" if empty.
std::string multiplier_text(const RuleReport& report);
std::string shift_text(const RuleReport& report);

}  // namespace gradus
