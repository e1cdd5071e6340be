// rule_steps -- the intermediate values of a rule from its operands to a code, for display.
//
// Every number comes from the functions of requantize.h, residual_add.h and average.h: the terms,
// the last value before rounding, the integer it is rounded to, the same with the zero point, and
// the code. Only the code is clamped.
//
// tests      tests/explain_rules_test.cc
#pragma once

#include <vector>

#include "quant/average.h"
#include "quant/format.h"
#include "quant/requantize.h"
#include "quant/residual_add.h"

namespace gradus {

struct RuleSteps {
    std::vector<double> terms;  // one for each of the term names
    double value = 0.0;         // the last value before rounding
    bool tie = false;           // it lies exactly between two integers
    int64_t rounded = 0;        // with the zero point if the rule adds it before rounding
    int64_t with_zero = 0;      // before the clamp
    int32_t code = 0;
    int32_t lowest = 0, highest = 0;  // of the codes

    bool below() const { return with_zero < lowest; }
    bool above() const { return with_zero > highest; }
};

// Names the terms before the last value, "as float" for instance.
std::vector<const char*> term_names(RequantizeRule rule);
std::vector<const char*> term_names(AddRule rule);
std::vector<const char*> term_names(PoolRule rule);

// Clamped to the format's own ends.
RuleSteps rule_steps(RequantizeRule rule, int32_t acc, const RequantizeConstants& k,
                     const OutputGrid& y);
RuleSteps rule_steps(AddRule rule, int32_t a, int32_t b, const AddConstants& k, CodeBounds bounds);
RuleSteps rule_steps(PoolRule rule, WindowSum sum, int32_t count, const AverageConstants& k,
                     int32_t zero_point, CodeBounds bounds);

}  // namespace gradus
