// node_attributes -- converts between a node's attributes and the structs of operators.
#pragma once

#include "autograd/ops.h"
#include "nn/attributes.h"

namespace gradus {

inline Attributes attributes_of(const Conv2dAttrs& a) {
    return {{"stride", std::vector<int64_t>{a.stride_h, a.stride_w}},
            {"pad", std::vector<int64_t>{a.pad_top, a.pad_left, a.pad_bottom, a.pad_right}},
            {"groups", a.groups}};
}

inline Conv2dAttrs conv2d_attrs(const Attributes& attributes) {
    const auto& stride = attributes.integers("stride");
    const auto& pad = attributes.integers("pad");
    return {stride.at(0),
            stride.at(1),
            pad.at(0),
            pad.at(1),
            pad.at(2),
            pad.at(3),
            attributes.integer("groups")};
}

inline Attributes attributes_of(const PoolAttrs& a) {
    return {{"kernel", std::vector<int64_t>{a.kernel_h, a.kernel_w}},
            {"stride", std::vector<int64_t>{a.stride_h, a.stride_w}},
            {"pad", std::vector<int64_t>{a.pad_top, a.pad_left, a.pad_bottom, a.pad_right}},
            {"count_include_pad", static_cast<int64_t>(a.count_include_pad)}};
}

inline PoolAttrs pool_attrs(const Attributes& attributes) {
    const auto& kernel = attributes.integers("kernel");
    const auto& stride = attributes.integers("stride");
    const auto& pad = attributes.integers("pad");
    return {kernel.at(0), kernel.at(1), stride.at(0),
            stride.at(1), pad.at(0),    pad.at(1),
            pad.at(2),    pad.at(3),    attributes.integer("count_include_pad") != 0};
}

// Convolution and linear keep their accumulators if a quantizer follows directly.
inline CodesOutput codes_output(const Attributes& attributes) {
    return attributes.has("accumulator") ? CodesOutput::accumulator : CodesOutput::real;
}

// The accumulator policy of convolution and linear; the attribute is absent if sums are exact.
inline AccumulatorPolicy accumulator_policy(const Attributes& attributes) {
    return attributes.has("accumulator_policy")
               ? find_accumulator(attributes.text("accumulator_policy"))
               : AccumulatorPolicy::exact;
}

}  // namespace gradus
