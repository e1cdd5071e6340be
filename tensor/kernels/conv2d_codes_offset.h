// conv2d_codes_offset -- lets kernels for int8 weights with zero point 0 compute with other
// weights.
//
//   sum (x - zx) (w - zw[o]) = sum (x - zx) w - zw[o] R        R = sum (x - zx), over the window
//
// U8 weights are w - 128 with zero points zw - 128: the same differences. R belongs to a pixel and
// a group, not to a filter, so it costs 1 / O of the products; padding is real 0 and adds nothing.
//
// shapes     lines [N, H, OW, groups]: R before its sum over the rows of the window
// exactness  exact: modulo 2^32, as the accumulators are
// tests      tests/conv2d_codes_test.cc
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/kernels/conv2d_codes.h"

namespace gradus {

// The weights as int8 codes w' with zero points zw': w' - zw' = w - zw.
class SignedWeights {
  public:
    explicit SignedWeights(const ConvCodes& conv)
        : codes_(static_cast<const uint8_t*>(conv.w)),
          flip_(conv.w_signed ? 0 : 0x80),
          shift_(conv.w_signed ? 0 : 128),
          zero_points_(conv.w_zero_point) {}

    int8_t code(int64_t i) const { return static_cast<int8_t>(codes_[i] ^ flip_); }
    int32_t zero_point(int64_t o) const { return (zero_points_ ? zero_points_[o] : 0) - shift_; }

  private:
    const uint8_t* codes_;
    uint8_t flip_;
    int32_t shift_;
    const int32_t* zero_points_;
};

// Subtracts zw'[o] R from accumulators that were summed with weight zero points 0.
class WeightOffsets {
  public:
    explicit WeightOffsets(const ConvCodes& conv);

    // True if a zero point differs from 0; else there is nothing to subtract.
    bool any() const { return !lines_.empty(); }
    // Corrects a tile and passes it to `epilogue` in L1-sized pieces.
    void subtract(int64_t row, int64_t rows, const int32_t* acc,
                  const AccumulatorEpilogue& epilogue) const;

  private:
    void sum_line(const ConvCodes& conv, int64_t line);
    void sum_windows(int64_t row, int64_t rows, int32_t* sums) const;

    Conv2dShape shape_;
    std::vector<int32_t> zero_points_;  // [O]
    std::vector<int32_t> lines_;        // empty if all zero points are 0
};

}  // namespace gradus
