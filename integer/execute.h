// execute -- runs a Program on a batch.
#pragma once

#include <functional>

#include "integer/program.h"
#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// Called for every instruction whose output lies on a quantizer's grid, with its codes.
using ObserveCodes = std::function<void(const Instruction& instruction, const Tensor& codes)>;

// images [N, H, W, C] normalised F32 -> logits [N, classes] F32. Every kernel gives the same bits.
Tensor execute(const Program& program, const Tensor& images, IntegerKernel kernel,
               const ObserveCodes& observe = nullptr);

}  // namespace gradus
