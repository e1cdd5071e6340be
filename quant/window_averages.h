// window_averages -- averages all windows of a tensor of codes by a pool rule.
//
// onnxruntime averages a window that covers the whole image without padding like
// QLinearGlobalAveragePool: float_sum then uses the rule `real`.
//
// source     onnxruntime QLinearAveragePool
// tests      tests/average_rules_test.cc
#pragma once

#include <vector>

#include "quant/average.h"
#include "tensor/kernels/conv2d_shape.h"
#include "tensor/tensor.h"

namespace gradus {

class WindowAverages {
  public:
    // `codes` [N, H, W, C] of I8 or U8 with one grid.
    WindowAverages(PoolRule rule, const PoolShape& shape, const Tensor& codes, float scale,
                   int32_t zero_point);

    // I32 [N, OH, OW, C]: the sums of the codes of each window; padding that counts has the zero
    // point.
    const Tensor& sums() const { return sums_; }
    // The average of element i of the output.
    int32_t code(int64_t i, int32_t lo, int32_t hi) const;

  private:
    PoolRule rule_;
    int32_t zero_point_;
    int64_t channels_;
    std::vector<int32_t> counts_;              // of the windows of an image
    std::vector<AverageConstants> constants_;  // by count
    Tensor sums_;
    Tensor floats_;  // F32 like sums_, for float_sum
};

}  // namespace gradus
