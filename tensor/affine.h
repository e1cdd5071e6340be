// affine -- numbers held as integer codes with a scale and a zero point, and exact sums of them.
//
// x_hat = s (q - z) / count. The codes are the value; the float is only a view of them.
#pragma once

#include <limits>
#include <vector>

#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace gradus {

// The float view of one code. Rounds once if |q - z| <= 2^24, else f32(q - z) first.
HOST_DEVICE inline float affine_value(int32_t q, int32_t z, float s) {
    return s * static_cast<float>(q - z);
}

// Reads 8-bit codes of either signedness.
class CodeReader {
  public:
    explicit CodeReader(const Tensor& codes)
        : s8_(codes.dtype() == DType::I8 ? codes.data<int8_t>() : nullptr),
          u8_(codes.dtype() == DType::I8 ? nullptr : codes.data<uint8_t>()) {}
    int32_t operator[](int64_t i) const { return s8_ ? s8_[i] : u8_[i]; }

  private:
    const int8_t* s8_;
    const uint8_t* u8_;
};

// Codes with their grid. `scale` (F32) and `zero_point` (I32) have one element, or one for each
// index of `axis`. Codes are I8, U8 or (accumulators, sums) I32.
struct Affine {
    Tensor codes;
    Tensor scale;
    Tensor zero_point;
    int axis = -1;      // of per-channel scales: 0 for weights, -1 (the last) for accumulators
    int64_t count = 1;  // codes are sums of `count` codes: the value is their average
    // For accumulators: the scales with the product `scale`, and a bias [channels] in real units
    // that the target adds after the accumulator; undefined otherwise.
    Tensor input_scale{}, weight_scale{}, bias{};

    const Shape& shape() const { return codes.shape(); }
    bool per_channel() const { return scale.numel() > 1; }
};

// The value between two quantizers: a sum of one or two affine terms, clamped, not yet rounded.
// An accumulator is one term; a residual sum two; ReLU sets `lower` to 0, ReLU6 `upper` to 6.
struct Exact {
    std::vector<Affine> terms;
    float lower = -std::numeric_limits<float>::infinity();
    float upper = std::numeric_limits<float>::infinity();

    const Shape& shape() const { return terms.front().shape(); }
    bool clamped() const {
        return lower != -std::numeric_limits<float>::infinity() ||
               upper != std::numeric_limits<float>::infinity();
    }
    // True for a single unclamped term of 8-bit codes, which convolution and pooling can read.
    bool is_codes() const {
        return terms.size() == 1 && !clamped() && terms[0].count == 1 &&
               terms[0].codes.dtype() != DType::I32;
    }
};

// The float view. Rounds each term as affine_value does (averages: divides by count afterwards;
// then adds the bias, if any), adds terms in order, then clamps. F32, same shape.
Tensor dequantize(const Affine& value);
Tensor dequantize(const Exact& value);

}  // namespace gradus
