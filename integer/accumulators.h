// accumulators -- how far the int32 accumulators of a Program can go, by its constants alone.
//
//   |acc| <= max |x - z_x| sum |w - z_w| + |bias|, for every output channel
//
// A sum that saturates can end further out than the exact one, as what was to cancel is taken away
// whole (a, b, z as in tensor/kernels/conv2d_codes_saturating.h):
//
//   |acc| <= (max a + z_a) sum (|b| + |z_b|) + |bias|
//
// x runs over the codes that the instruction before can give. Below 2^24 every accumulator is a
// float without rounding; from 2^31 on it may leave int32.
#pragma once

#include <optional>
#include <vector>

#include "integer/program.h"
#include "quant/format.h"

namespace gradus {

constexpr int64_t kExactInFloat = int64_t{1} << 24;
constexpr int64_t kEndOfInt32 = int64_t{1} << 31;

// The codes that each register may hold; nothing for floats.
std::vector<std::optional<CodeBounds>> code_bounds(const Program& program);

// One convolution or linear layer: the bound of its largest channel.
struct AccumulatorBound {
    std::string layer;
    int64_t channel = 0;
    int64_t bound = 0;
};
std::vector<AccumulatorBound> accumulator_bounds(const Program& program);

// What the accumulators of one channel lie between, whatever the input is.
struct AccumulatorRange {
    int32_t lo, hi;
};
// Of every channel of a convolution or linear layer that reads codes within x: the least and the
// largest sum, bias included; of sums that saturate the bound above.
std::vector<AccumulatorRange> accumulator_ranges(const Instruction& i, const CodeBounds& x);

// Error(runtime), naming layer and channel, if an accumulator may leave int32.
void refuse_overflow(const Program& program);

}  // namespace gradus
