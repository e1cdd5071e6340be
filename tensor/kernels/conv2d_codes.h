// conv2d_codes -- convolution of integer codes into exact int32 accumulators.
//
//   acc[n,oh,ow,o] = sum (xq - zx) (wq - zw[o]) + bias[o]        padding has the code zx: real 0
//
// shapes     see conv2d_shape.h; linear is the 1x1 case on [N, 1, 1, C]
// exactness  exact: every kernel gives the same accumulators while they fit int32, unless a policy
//            asks for the accumulators of lesser hardware
// tests      tests/conv2d_codes_test.cc: readable == avx2 == avx512_vnni on random and edge codes
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/kernel.h"
#include "tensor/kernels/conv2d_shape.h"
#include "tensor/tensor.h"

namespace gradus {

// How products are summed: in int32, or as CPUs without VNNI do, see conv2d_codes_saturating.h.
enum class AccumulatorPolicy { exact, pairs16, acc16 };

const char* accumulator_name(AccumulatorPolicy policy);
// Error(usage), with the list, for an unknown name.
AccumulatorPolicy find_accumulator(const std::string& name);

enum class IntegerKernel { fastest, readable, avx2, avx512_vnni };

const char* integer_kernel_name(IntegerKernel kernel);
// The kernels this machine can run, readable first, fastest last.
std::vector<IntegerKernel> integer_kernels();

// One tile of accumulators: rows [row, row + rows) of the output seen as [N*OH*OW, O], all O
// channels, acc[r * O + o]. Called once for every tile, by any thread, in any order; tiles do not
// overlap and depend only on the problem.
using AccumulatorEpilogue = std::function<void(int64_t row, int64_t rows, const int32_t* acc)>;

struct ConvCodes {
    const void* x;  // [N, H, W, C] codes
    bool x_signed;  // I8, else U8
    int32_t x_zero_point;
    const void* w;                // [O, KH, KW, C / groups] codes
    bool w_signed;                // I8, else U8
    const int32_t* w_zero_point;  // [O], or nullptr: all 0
    const int32_t* bias;          // [O] at the accumulator's scale, or nullptr: none
    Conv2dShape shape;
    AccumulatorPolicy policy = AccumulatorPolicy::exact;
};

// The device slot. A vector kernel that does not support a case (a zero point that is not a code of
// its operand) falls back to the readable one; `fastest` never fails. A policy other than `exact`
// has two kernels, readable and avx2; the latter also serves requests for a wider one.
extern Kernel<void(const ConvCodes& conv, IntegerKernel kernel,
                   const AccumulatorEpilogue& epilogue)>
    conv2d_codes;

}  // namespace gradus
