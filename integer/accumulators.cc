#include "integer/accumulators.h"

#include <algorithm>
#include <cstdlib>

#include "nn/node_attributes.h"
#include "quant/fixed_point.h"
#include "tensor/affine.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Bounds = std::optional<CodeBounds>;

Bounds output_bounds(const Instruction& i, const std::vector<Bounds>& registers) {
    if (i.is_float || i.inputs.empty()) return std::nullopt;
    if (i.attributes.has("lo")) {
        return CodeBounds{static_cast<int32_t>(i.attributes.integer("lo")),
                          static_cast<int32_t>(i.attributes.integer("hi"))};
    }
    Bounds all = i.constants.count("scale") ? std::nullopt : registers.at(i.inputs[0]);
    for (int input : i.inputs) {
        const Bounds& other = registers.at(input);
        if (!all || !other) return std::nullopt;
        all = CodeBounds{std::min(all->lo, other->lo), std::max(all->hi, other->hi)};
    }
    return all;
}

bool saturates(const Instruction& i) {
    return accumulator_policy(i.attributes) != AccumulatorPolicy::exact;
}

std::vector<int32_t> weight_zero_points(const Instruction& i, int64_t filters) {
    std::vector<int32_t> zero_points(1, 0);
    const auto found = i.constants.find("weight_zero_point");
    if (found != i.constants.end()) zero_points = found->second.to_vector<int32_t>();
    zero_points.resize(filters, zero_points[0]);
    return zero_points;
}

// sum |w - z_w| over a filter, or sum (|b| + |z_b|) where sums saturate; for every filter.
std::vector<int64_t> filter_sums(const Instruction& i) {
    const Tensor& w = i.constants.at("weight");
    const int64_t filters = w.shape()[0], length = w.numel() / filters;
    const std::vector<int32_t> zero_points = weight_zero_points(i, filters);
    const CodeReader q(w);
    const int32_t offset = w.dtype() == DType::I8 ? 0 : 128;
    std::vector<int64_t> sums(filters, 0);
    for (int64_t e = 0; e < w.numel(); ++e) {
        const int32_t z = zero_points[e / length];
        sums[e / length] +=
            saturates(i) ? std::abs(q[e] - offset) + std::abs(z - offset) : std::abs(q[e] - z);
    }
    return sums;
}

int32_t input_zero_point(const Instruction& i) {
    return static_cast<int32_t>(i.attributes.integer("input_zero_point"));
}

// max |x - z_x|, or max a + z_a where sums saturate.
int64_t furthest_input(const Instruction& i, const CodeBounds& x) {
    const int32_t z = input_zero_point(i);
    const int64_t offset = x.lo < 0 || z < 0 ? 128 : 0;
    return saturates(i) ? x.hi + z + 2 * offset : std::max(std::abs(x.lo - z), std::abs(x.hi - z));
}

AccumulatorBound largest_channel(const Instruction& i, const CodeBounds& x) {
    const int64_t furthest = furthest_input(i, x);
    const auto bias = i.constants.find("bias");
    const std::vector<int64_t> sums = filter_sums(i);
    AccumulatorBound result{i.name, 0, -1};
    for (size_t c = 0; c < sums.size(); ++c) {
        int64_t bound = furthest * sums[c];
        if (bias != i.constants.end()) {
            bound += std::abs(int64_t{bias->second.data<int32_t>()[c]});
        }
        if (bound > result.bound) result = {i.name, static_cast<int64_t>(c), bound};
    }
    return result;
}

}  // namespace

std::vector<std::optional<CodeBounds>> code_bounds(const Program& program) {
    std::vector<Bounds> registers(program.registers);
    for (const Instruction& i : program.instructions) {
        registers.at(i.output) = output_bounds(i, registers);
    }
    return registers;
}

std::vector<AccumulatorBound> accumulator_bounds(const Program& program) {
    const std::vector<Bounds> registers = code_bounds(program);
    std::vector<AccumulatorBound> bounds;
    for (const Instruction& i : program.instructions) {
        if (i.is_float || (i.op != "conv2d" && i.op != "linear")) continue;
        const Bounds& x = registers.at(i.inputs.at(0));
        check(x.has_value(), "program: ", i.name, " reads no codes");
        bounds.push_back(largest_channel(i, *x));
    }
    return bounds;
}

std::vector<AccumulatorRange> accumulator_ranges(const Instruction& i, const CodeBounds& x) {
    const Tensor& w = i.constants.at("weight");
    const int64_t filters = w.shape()[0], length = w.numel() / filters;
    const std::vector<int32_t> zero_points = weight_zero_points(i, filters);
    const std::vector<int64_t> sums = filter_sums(i);
    const int64_t below = x.lo - input_zero_point(i), above = x.hi - input_zero_point(i);
    const auto bias = i.constants.find("bias");
    const CodeReader q(w);
    std::vector<AccumulatorRange> ranges;
    for (int64_t c = 0; c < filters; ++c) {
        int64_t lo = 0, hi = 0;
        for (int64_t e = c * length; e < (c + 1) * length; ++e) {
            const int64_t weight = q[e] - zero_points[c];
            lo += std::min(weight * below, weight * above);
            hi += std::max(weight * below, weight * above);
        }
        if (saturates(i)) hi = furthest_input(i, x) * sums[c], lo = -hi;
        const int64_t b = bias == i.constants.end() ? 0 : bias->second.data<int32_t>()[c];
        ranges.push_back({saturate_int32(lo + b), saturate_int32(hi + b)});
    }
    return ranges;
}

void refuse_overflow(const Program& program) {
    for (const AccumulatorBound& b : accumulator_bounds(program)) {
        check(b.bound < kEndOfInt32, "lower: ", b.layer, ": accumulators of channel ", b.channel,
              " may reach ", b.bound, ", int32 ends at ", kEndOfInt32 - 1,
              "; take fewer bits, or see whether the scale of its input or weights has collapsed");
    }
}

}  // namespace gradus
