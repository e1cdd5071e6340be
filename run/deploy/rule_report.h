// rule_report -- the constants by which an instruction rounds, as its rule has them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "integer/program.h"

namespace gradus {

// Empty where the rule has none. Of a layer with a multiplier for each channel: the least and the
// largest. Of a sum: those of its operands, then of its result where the rule scales that too.
struct RuleReport {
    std::string rule;                // "R1", "onnxruntime"; "" where nothing is rounded
    bool per_operand = false;        // a sum
    std::vector<double> multiplier;  // f32, or an integer (Q31, a reciprocal)
    std::vector<int64_t> shift;      // exponents of Q31, or shifts
};

// `pixels`: how many codes one average has; it decides the multiplier there.
RuleReport rule_report(const Instruction& instruction, int64_t pixels);

// "0.0021", "0.0021..0.014", or of a sum "0.52, 0.91"; "-" if empty.
std::string multiplier_text(const RuleReport& report);
std::string shift_text(const RuleReport& report);

}  // namespace gradus
