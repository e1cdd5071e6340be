// hardware -- a target is a row of facts: formats, places of quantizers, folding, rules.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "quant/average.h"
#include "quant/format.h"
#include "quant/requantize.h"
#include "quant/residual_add.h"
#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// How a bias reaches the accumulator.
enum class BiasRule {
    accumulator,  // int32 at the accumulator's scale, ties to even
    real,         // a float added after the accumulator
    hexagon,      // int32 with a separate scale, rescaled to the accumulator's, half away
};

// How the end of a clamp (ReLU6's 6) is rounded to a code.
enum class BoundRule {
    half_even,    // rne(x / s) + z
    half_away,    // ties away from zero, + z
    zero_inside,  // rne(f32(x / s) + z)
};

// The multipliers s_x s_w / s_y that a library accepts: [least, end).
struct MultiplierRange {
    float least = 0.0f, end = INFINITY;
};

struct Hardware {
    const char* name;
    const char* description;
    QuantFormat weight;          // the recipe decides the bits
    QuantFormat activation;      // after ReLU a signed symmetric one may turn unsigned, see below
    bool adaptive_sign = false;  // MQBench 1.2: unsigned if the calibration saw no negative value
    int block_graph = 3;         // MQBench 6: 1, 2 or 3
    int bn_fold = 4;             // MQBench 5: -1 ... 4
    RequantizeRule requantize = RequantizeRule::none;
    AddRule add = AddRule::none;
    PoolRule mean = PoolRule::none;    // global average pooling
    PoolRule window = PoolRule::none;  // average pooling of windows
    BiasRule bias = BiasRule::accumulator;
    BoundRule bound = BoundRule::half_even;
    // How its kernels sum, by CPU or by choice; the first is the default of --accumulator.
    std::vector<AccumulatorPolicy> accumulators{AccumulatorPolicy::exact};
    // One filter for each channel: summed in exact int32 by every kernel.
    bool exact_depthwise = false;
    MultiplierRange multipliers{};
    bool exact = false;  // checked against the library, see evidence; else nominal
    // Divides windows by all their pixels, including padding that should not count.
    bool always_counts_padding = false;
    const char* evidence;  // the sources of the rules and the checks against the library

    // Every node between the input quantizer and the logits computes in integers. Block graph 1
    // adds and pools in float.
    bool integer_throughout() const {
        return block_graph != 1 && requantize != RequantizeRule::none;
    }
};

// Concatenated tensors share one grid, except on rows of block graph 1, which join floats.
const std::vector<Hardware>& hardware_table();
// An unknown name is a usage error with the list.
const Hardware& find_hardware(const std::string& name);

// The rule of an operator that averages codes; `none` for other operators.
PoolRule average_rule(const Hardware& hardware, const std::string& op);

// Error(usage) if the row's library does not sum in this way.
void check_accumulator(const Hardware& hardware, AccumulatorPolicy policy);

// Why the row's library refuses a multiplier; empty if it accepts it. Constants are made anyway, so
// that a dead layer does not stop training.
std::string multiplier_refusal(const Hardware& hardware, float multiplier);

// The row's rules in one line: "R2, add tflite, average mean and half-away, int32 bias", and its
// accumulator policies if there is a choice. The second form names the one in use.
std::string rules_text(const Hardware& hardware);
std::string rules_text(const Hardware& hardware, AccumulatorPolicy in_force);

}  // namespace gradus
