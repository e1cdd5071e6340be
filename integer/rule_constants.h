// rule_constants -- stores the constants of rules (quant/requantize.h, quant/residual_add.h) in an
// instruction: tensors by name, which a Program file contains.
#pragma once

#include <vector>

#include "integer/program.h"
#include "quant/requantize.h"
#include "quant/residual_add.h"

namespace gradus {

// Stores what the rule reads under the names multiplier, real_bias, integer, shift, offset.
void store_constants(Instruction& instruction, RequantizeRule rule,
                     const std::vector<RequantizeConstants>& constants);
std::vector<RequantizeConstants> load_constants(const Instruction& instruction, int64_t channels);

// Adds constants that an instruction leaves out because they have no effect, with neutral values:
// constants of its rule, weight_zero_point and bias of a convolution or linear layer [O], real_bias
// of a real output.
void add_unused_constants(Instruction& instruction);

// Stores them under the names ratios (F32) and integers (I32).
void store_constants(Instruction& instruction, const AddConstants& constants);
AddConstants load_add_constants(const Instruction& instruction);

// The rule of an instruction, stored by its number.
template <class Rule>
Rule rule_of(const Instruction& instruction) {
    return static_cast<Rule>(instruction.attributes.integer("rule"));
}

}  // namespace gradus
