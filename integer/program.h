// program -- the lowered network: a straight line of instructions on registers.
//
// Codes are I8 or U8 tensors, accumulators int32, biases int32; the data of a layer (codes of its
// weights, biases, multipliers, bounds) are constants of its instruction. Floats appear in the
// input quantizer, in the scale of the logits, and in the float nodes of targets that compute
// between convolutions in float (`academic`).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/attributes.h"
#include "tensor/tensor.h"

namespace gradus {

// op                  reads          constants                              attributes
// quantize            real           scale                                  zero_point qmin qmax
// conv2d, linear      codes          weight, weight_zero_point, bias (both  conv attributes,
//                                    optional), and the rule's constants    input_zero_point, rule,
//                                    [O] for codes, or scale [O] and        the output grid
//                                    real_bias for a real output            accumulator_policy
//   with a shortcut   codes, codes   also shortcut_ratio                     shortcut_zero_point
// requantize          codes          the rule's constants [1]               input_zero_point, rule,
//                                                                           the output grid
// add                 codes, codes   ratios, integers (AddConstants)        rule, the output grid
// max_pool2d, flatten codes          -                                      as the operator
// concat              codes, ...     -                                      -
// average_pool2d      codes          scale (of input and output)            as the operator, rule,
//                                                                           the output grid
// global_average_pool codes          scale (of input and output)            rule, the output grid
// any other           real           the operator's parameters, by position as the operator
//
// accumulator_policy is a name of AccumulatorPolicy and missing where sums are exact.
// The output grid: zero_point, qmin and qmax of the format, lo and hi of the clamp, signed.
struct Instruction {
    std::string name;  // the layer's, as in the graph
    std::string op;
    std::string quantizer;  // the quantizer of the output's grid; "" for none
    std::vector<int> inputs;
    int output = -1;
    bool is_float = false;  // computes in float: an operator of the table
    Attributes attributes;
    std::map<std::string, Tensor> constants;
};

struct Program {
    std::string hardware;
    Shape sample_shape;  // [H, W, C] of one normalised image
    int registers = 1;   // register 0 holds the images
    int output = -1;     // register of the logits [N, classes]
    std::vector<Instruction> instructions;
    std::map<std::string, int64_t> weight_bits;  // by layer, for sizes

    int float_nodes() const;
    // Bytes of the weight codes, packed to their bits, with int32 biases.
    int64_t packed_bytes() const;
};

}  // namespace gradus
