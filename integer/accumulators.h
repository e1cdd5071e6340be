// accumulators -- bounds of the int32 accumulators of a Program, from its constants alone.
//
//   |acc| <= max |x - z_x| sum |w - z_w| + |bias|, for every output channel
//
// A sum that saturates can end further from 0 than the exact one, since saturation may remove terms
// that would have cancelled (a, b, z as in tensor/kernels/conv2d_codes_saturating.h):
//
//   |acc| <= (max a + z_a) sum (|b| + |z_b|) + |bias|
//
// x runs over the codes that the previous instruction can give. Below 2^24 every accumulator is an
// exact float; from 2^31 on it may overflow int32.
#pragma once

#include <optional>
#include <vector>

#include "integer/program.h"
#include "quant/format.h"

namespace gradus {

constexpr int64_t kExactInFloat = int64_t{1} << 24;
constexpr int64_t kEndOfInt32 = int64_t{1} << 31;

// The codes that each register may hold; empty for floats.
std::vector<std::optional<CodeBounds>> code_bounds(const Program& program);

// One convolution or linear layer: the bound of its largest channel.
struct AccumulatorBound {
    std::string layer;
    int64_t channel = 0;
    int64_t bound = 0;
};
std::vector<AccumulatorBound> accumulator_bounds(const Program& program);

// Bounds of the accumulators of one channel for any input.
struct AccumulatorRange {
    int32_t lo, hi;
};
// For every channel of a convolution or linear layer that reads codes within x: the least and the
// largest sum, bias included; for sums that saturate the bound above.
std::vector<AccumulatorRange> accumulator_ranges(const Instruction& i, const CodeBounds& x);

// Error(runtime), naming layer and channel, if an accumulator may overflow int32.
void refuse_overflow(const Program& program);

}  // namespace gradus
