// ties -- what an instruction may read that tells its rounding from every other, and what it gives.
//
// Images seldom lie near a tie, so a kernel with another rule replays them without a difference.
// All rules rise with what they round: who gives the right codes on both sides of every step from
// one code to the next has the right codes everywhere between.
//
//   op                 given                           in which order
//   conv2d, linear     accumulator I32 [V, O],         rows 2j and 2j + 1 of a channel: the last
//   with
//                      shortcut [V, O] where it        a code up to q and the first above it, for
//                      reads one                       every q (of a layer of many channels for
//                      every
//                                                      k-th q, in each channel others); then the
//                                                      least and the largest that codes can make, 0
//     real output      the same                        both ends, 0, and next to 0 and +-2^24
//   requantize         accumulator I32 [V, 1]          every code that may come, centred
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

// `inputs` are the grids of the registers that the instruction reads (of images none), `x` the
// shape of the first. The output is what the readable kernel gives.
Ties make_ties(const Instruction& instruction,
               const std::vector<std::optional<RegisterGrid>>& inputs, const Shape& x);

// True if there are ties of an instruction.
bool rounds(const Instruction& instruction);

// The output that belongs to what is given.
Tensor replay_ties(const Instruction& instruction, const std::map<std::string, Tensor>& given);

}  // namespace gradus
