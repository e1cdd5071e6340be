// register_grids -- the grid of the codes in each register. A Program needs no scales of its
// outputs; reports do.
#pragma once

#include <optional>
#include <vector>

#include "integer/program.h"
#include "quant/prepare.h"

namespace gradus {

struct RegisterGrid {
    float scale = 0.0f;
    int32_t zero_point = 0;
    CodeBounds bounds{};  // of the codes that can occur
    QuantFormat format;
};

// By register; empty for floats.
std::vector<std::optional<RegisterGrid>> register_grids(const QuantizedModel& model,
                                                        const Program& program);

// The quantizer of the weights of a layer; null if none.
const Quantizer* weight_quantizer(const QuantizedModel& model, const std::string& layer);

}  // namespace gradus
