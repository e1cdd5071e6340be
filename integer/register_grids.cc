#include "integer/register_grids.h"

#include "integer/accumulators.h"
#include "tensor/check.h"

namespace gradus {

namespace {

const Quantizer* quantizer_of(const QuantizedModel& model, int id) {
    return id < 0 ? nullptr
                  : dynamic_cast<const Quantizer*>(model.inference.node(id).payload.get());
}

RegisterGrid grid_of(const Quantizer& q, const CodeBounds& bounds) {
    const Grid grid = q.grid();
    return {grid.scale.data<float>()[0], grid.zero_point.data<int32_t>()[0], bounds, q.format};
}

}  // namespace

std::vector<std::optional<RegisterGrid>> register_grids(const QuantizedModel& model,
                                                        const Program& program) {
    const auto bounds = code_bounds(program);
    std::vector<std::optional<RegisterGrid>> grids(program.registers);
    for (const Instruction& i : program.instructions) {
        if (!bounds[i.output]) continue;
        if (i.quantizer.empty()) {  // pooling, flattening and joining keep their input's grid
            grids[i.output] = grids.at(i.inputs.at(0));
            if (grids[i.output]) grids[i.output]->bounds = *bounds[i.output];
            continue;
        }
        const Quantizer* q = quantizer_of(model, model.inference.find(i.quantizer));
        check(q != nullptr, "program: no quantizer ", i.quantizer, " in the network");
        grids[i.output] = grid_of(*q, *bounds[i.output]);
    }
    return grids;
}

const Quantizer* weight_quantizer(const QuantizedModel& model, const std::string& layer) {
    const int id = model.inference.find(layer);
    if (id < 0 || model.inference.node(id).inputs.size() < 2) return nullptr;
    return quantizer_of(model, model.inference.node(id).inputs[1]);
}

}  // namespace gradus
