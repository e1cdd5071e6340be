// hardware -- a target is a row of facts: formats, where quantizers stand, folding, rules.
#pragma once

#include <string>
#include <vector>

#include "quant/format.h"

namespace gradus {

// How a target puts wide integers back on a grid (requantize.h).
enum class RequantizeRule {
    none,  // nothing is requantized: accumulators become floats (batch norm and ReLU in float)
    r1,    // f32 product, ties to even, zero point after
};
enum class AddRule { none, onnxruntime };
enum class PoolRule { none, onnxruntime };

struct Hardware {
    const char* name;
    const char* description;
    QuantFormat weight;      // bits are the recipe's
    QuantFormat activation;  // behind ReLU a signed symmetric one may turn unsigned, see below
    bool adaptive_sign;      // MQBench 1.2: unsigned if the calibration saw no negative value
    int block_graph;         // MQBench 6: 1, 2 or 3
    int bn_fold;             // MQBench 5: -1 ... 4
    RequantizeRule requantize;
    AddRule add;
    PoolRule pool;
    bool exact;            // the formula was read in open source; else nominal
    const char* evidence;  // what the rules were checked against

    // Every node between the input quantizer and the logits computes in integers.
    bool integer_throughout() const { return requantize != RequantizeRule::none; }
};

const std::vector<Hardware>& hardware_table();
// An unknown name is a usage error with the list.
const Hardware& find_hardware(const std::string& name);

}  // namespace gradus
