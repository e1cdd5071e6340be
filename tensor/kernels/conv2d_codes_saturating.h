// conv2d_codes_saturating -- the accumulators of x86 CPUs without VNNI, emulated.
//
//   p = sat16(a[k] b[k] + a[k+1] b[k+1]), k even
//   pairs16   raw = sum of all p, in int32
//   acc16     raw = sum of t, one a run of 256 k, with t = sat16(t + p) for p after p
//   acc = raw - zx sum w - zw sum x + K zx zw + bias
//
// a are u8 codes of x, b are s8 codes of w, with zx where the window lies on padding and 0 after an
// odd end. The order decides: k runs over (kh, kw, c) of a group, c fastest, so that neighbours in
// NHWC memory form a pair, and a pair may join two taps where c is odd. Signed x is read as
// x + 128, unsigned w as w - 128, zero points likewise: so a u8 s8 kernel is fed, and it decides
// what saturates.
//
// source     FBGEMM: vpmaddubsw and vpmaddwd in src/GenerateKernelU8S8S32ACC32.cc, vpmaddubsw and
//            vpaddsw in src/GenerateKernelU8S8S32ACC16.cc; matmul_u8i8acc16_ref with brow = 256 and
//            requantize_u8acc32_ref in src/RefImplementations.cc. No pair saturates with
//            reduce_range: x in 0..127 in PyTorch's configuration for fbgemm, signed weights of 7
//            bits in onnxruntime's quantizer.
// shapes     as conv2d_codes
// exactness  exact in the formula above; equal to AccumulatorPolicy::exact where nothing saturates:
//            pairs16 if all b are in [-64, 64] or all a in [0, 127]
// tests      tests/conv2d_codes_saturating_test.cc: readable == avx2 == the instructions one by
//            one, witnesses by hand
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

constexpr int64_t acc16_run = 256;  // FBGEMM's KCB

inline int32_t saturate16(int32_t value) {
    return std::clamp(value, -32768, 32767);
}

// raw of one window, a and b [k]; the policy is not `exact`.
int32_t saturating_sum(AccumulatorPolicy policy, const uint8_t* a, const int8_t* b, int64_t k);

// The readable kernel; its fast twin is conv2d_codes_avx2. zx must be a code of x.
void conv2d_codes_saturating(const ConvCodes& conv, const AccumulatorEpilogue& epilogue);

}  // namespace gradus
