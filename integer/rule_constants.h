// rule_constants -- the constants of rules (quant/requantize.h, quant/residual_add.h) as an
// instruction holds them: tensors by name, of which a Program file is made.
#pragma once

#include <vector>

#include "integer/program.h"
#include "quant/requantize.h"
#include "quant/residual_add.h"

namespace gradus {

// Under the names multiplier, real_bias, integer, shift, offset: what the rule reads.
void store_constants(Instruction& instruction, RequantizeRule rule,
                     const std::vector<RequantizeConstants>& constants);
std::vector<RequantizeConstants> load_constants(const Instruction& instruction, int64_t channels);

// Adds, with the values that change nothing, what an instruction leaves out because it is the same
// in every channel: constants of its rule, weight_zero_point and bias of a convolution or linear
// layer [O], real_bias of a real output.
void add_unused_constants(Instruction& instruction);

// Under the names ratios (F32) and integers (I32).
void store_constants(Instruction& instruction, const AddConstants& constants);
AddConstants load_add_constants(const Instruction& instruction);

// The rule of an instruction, kept by its number.
template <class Rule>
Rule rule_of(const Instruction& instruction) {
    return static_cast<Rule>(instruction.attributes.integer("rule"));
}

}  // namespace gradus
