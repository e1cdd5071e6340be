#include "integer/program.h"

#include <algorithm>

namespace gradus {

int Program::float_nodes() const {
    return static_cast<int>(std::count_if(instructions.begin(), instructions.end(),
                                          [](const Instruction& i) { return i.is_float; }));
}

int64_t Program::packed_bytes() const {
    int64_t bytes = 0;
    for (const Instruction& instruction : instructions) {
        const auto weight = instruction.constants.find("weight");
        if (weight == instruction.constants.end() || instruction.is_float) continue;
        const auto bits = weight_bits.find(instruction.name);
        const int64_t width = bits == weight_bits.end() ? 8 : bits->second;
        bytes += (weight->second.numel() * width + 7) / 8;
        const auto bias = instruction.constants.find("bias");
        if (bias != instruction.constants.end()) bytes += bias->second.numel() * 4;
    }
    return bytes;
}

}  // namespace gradus
