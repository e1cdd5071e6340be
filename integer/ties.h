// ties -- inputs of an instruction that distinguish its rounding from any other, and the outputs.
//
// Images seldom lie near a tie, so a kernel with another rule replays them without a difference.
// All rules are non-decreasing: a kernel with the right codes on both sides of every step from one
// code to the next has the right codes everywhere between.
//
//   op                 given                           in which order
//   conv2d, linear     accumulator I32 [V, O], with    rows 2j and 2j + 1 of a channel: the last
//                      shortcut [V, O] if it           with a code up to q and the first above it,
//                      reads one                       for every q (of a layer of many channels for
//                                                      every k-th q, in each channel others); then
//                                                      the least and the largest that codes can
//                                                      make, 0
//     real output      the same                        both ends, 0, and next to 0 and +-2^24
//   requantize         accumulator I32 [V, 1]          every code that can occur, centred
//   add                input [A], input_2 [B]          every code of the format; output is [A, B]
//   average_pool2d,    sum I32 [V], count I32 [V]      for each count every sum, where these are at
//   global_average_pool                                most 65,536, else as conv2d
//     float_sum        input [V, H, W, 1]              images of codes close to each other
//   quantize           input F32 [V]                   five floats around every step, both ends, 0
//   others             nothing: they round nothing
//
// tests      tests/ties_test.cc
#pragma once

#include <map>
#include <string>
#include <vector>

#include "integer/register_grids.h"

namespace gradus {

struct Ties {
    std::map<std::string, Tensor> given;  // empty: the instruction rounds nothing
    Tensor output;
};

// `inputs` are the grids of the registers that the instruction reads (none for images), `x` the
// shape of the first. The output is computed by the readable kernel.
Ties make_ties(const Instruction& instruction,
               const std::vector<std::optional<RegisterGrid>>& inputs, const Shape& x);

// True if an instruction has ties.
bool rounds(const Instruction& instruction);

// The output for the given inputs.
Tensor replay_ties(const Instruction& instruction, const std::map<std::string, Tensor>& given);

}  // namespace gradus
