// conv2d_codes_simd -- the vector kernels behind conv2d_codes.
#pragma once

#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// int8 weights with zero points 0.
bool conv2d_codes_vectorizes(const ConvCodes& conv);

// Bytes are widened to int16 and multiplied by vpmaddwd: no saturation anywhere.
void conv2d_codes_avx2(const ConvCodes& conv, const AccumulatorEpilogue& epilogue);
// vpdpbusd: unsigned times signed bytes, summed in fours into int32. Signed x is read as x + 128.
void conv2d_codes_avx512_vnni(const ConvCodes& conv, const AccumulatorEpilogue& epilogue);

}  // namespace gradus
