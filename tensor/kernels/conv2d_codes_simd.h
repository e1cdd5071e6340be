// conv2d_codes_simd -- the vector kernels of conv2d_codes.
#pragma once

#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// True if every zero point is a code of its operand, so that differences stay within +-255.
bool conv2d_codes_vectorizes(const ConvCodes& conv);

// Widens bytes to int16, without their zero points, and multiplies by vpmaddwd: no saturation
// anywhere. Under a policy it uses the saturating instructions themselves, see
// conv2d_codes_saturating.h.
void conv2d_codes_avx2(const ConvCodes& conv, const AccumulatorEpilogue& epilogue);
// vpdpbusd: unsigned times signed bytes, summed in fours into int32. Reads signed x as x + 128,
// unsigned weights as w - 128; conv2d_codes_offset subtracts the zero points of weights.
void conv2d_codes_avx512_vnni(const ConvCodes& conv, const AccumulatorEpilogue& epilogue);

}  // namespace gradus
