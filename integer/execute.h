// execute -- runs a Program on a batch.
#pragma once

#include <functional>
#include <vector>

#include "integer/program.h"
#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// Called for every instruction whose output lies on a quantizer's grid, with its codes.
using ObserveCodes = std::function<void(const Instruction& instruction, const Tensor& codes)>;

// Called with the int32 accumulators of an instruction, in its output's shape: for conv2d and
// linear with their bias and before a shortcut is added; for requantize the centred codes; for
// average_pool2d and global_average_pool the sums of codes.
using ObserveAccumulators =
    std::function<void(const Instruction& instruction, const Tensor& accumulators)>;
// Called after every instruction with its inputs and its output.
using ObserveStep = std::function<void(const Instruction& instruction,
                                       const std::vector<Tensor>& inputs, const Tensor& output)>;

// Optional observers. An absent one costs nothing.
struct Watch {
    ObserveAccumulators accumulators = nullptr;
    ObserveStep step = nullptr;
};

// images [N, H, W, C] normalised F32 -> logits [N, classes] F32. Every kernel gives the same bits.
Tensor execute(const Program& program, const Tensor& images, IntegerKernel kernel,
               const ObserveCodes& observe = nullptr, const Watch& watch = {});

// Runs one instruction alone; `inputs` in the order it reads them.
Tensor execute(const Instruction& instruction, const std::vector<Tensor>& inputs,
               IntegerKernel kernel, const ObserveAccumulators& accumulators = nullptr);

// Runs only the last part of an instruction, from accumulators [..., channels] as
// ObserveAccumulators gets them: conv2d, linear and requantize; `other` has the codes of the
// shortcut, if the instruction reads one. For averages the sums [V], `other` being the count of
// each, I32 [V]; not for float_sum. The output has the accumulators' shape.
Tensor execute_from_accumulators(const Instruction& instruction, const Tensor& accumulators,
                                 const Tensor& other = Tensor());

}  // namespace gradus
