#include "quant/ptq/reconstruct.h"

#include <algorithm>
#include <set>

#include "quant/ptq/unit_reconstruction.h"
#include "quant/ptq/units.h"
#include "tensor/find_row.h"

namespace gradus {

namespace {

void check_detached(const QuantizedModel& model, const Graph& network) {
    std::set<const void*> storages;
    for (const auto& p : model.inference.parameters()) storages.insert(p->value.raw());
    for (const auto& p : network.parameters()) {
        check(!storages.count(p->value.raw()), "reconstruct: the float network shares ", p->name,
              " with the quantized one; give a detached copy");
    }
}

bool has_scale(const Quantizer& q) {
    return std::any_of(q.parameters.begin(), q.parameters.end(),
                       [&](const auto& parameter) { return parameter->name == q.name + ".scale"; });
}

// Why a weight's codes are not floor or ceil of w / s on a fixed grid; empty if they are.
std::string no_fixed_grid(const Quantizer& q) {
    const Algorithm& row = *q.algorithm;
    if (row.codes && (!has_scale(q) || q.free_zero_point)) return "they are transformed first";
    // An algorithm whose grid follows the weights keeps a range instead of a scale.
    if (row.follow && !has_scale(q)) return "their scale follows them";
    return "";
}

struct MethodRow {
    const char* name;
    Reconstruction method;
};

const std::vector<MethodRow>& methods() {
    static const std::vector<MethodRow> rows{{"adaround", Reconstruction::adaround},
                                             {"brecq", Reconstruction::brecq},
                                             {"qdrop", Reconstruction::qdrop}};
    return rows;
}

}  // namespace

Reconstruction reconstruction_of(const std::string& name) {
    return find_row(methods(), "reconstruction", name).method;
}

std::vector<std::string> reconstruction_names() {
    std::vector<std::string> names;
    for (const MethodRow& row : methods()) names.emplace_back(row.name);
    return names;
}

void refuse_reconstruction(const QuantizedModel& model) {
    const Quantizer* refused = nullptr;  // rather of the algorithm than of its rule for the ends
    for (const auto& q : model.quantizers) {
        if (q->role != Role::weight || no_fixed_grid(*q).empty()) continue;
        if (!refused || refused->follows_range) refused = q.get();
    }
    if (!refused) return;
    fail(ErrorKind::usage, refused->name, ": how ", refused->algorithm->name,
         " weights are rounded cannot be learned, ", no_fixed_grid(*refused),
         "; use --weight-algo lsq");
}

std::vector<ReconstructedUnit> reconstruct(QuantizedModel& model, const Graph& network,
                                           const Tensor& images,
                                           const ReconstructionOptions& options,
                                           const WatchReconstruction& watch) {
    refuse_reconstruction(model);
    check_detached(model, network);
    check_kind(options.steps > 0 && options.batch > 0, ErrorKind::usage,
               "reconstruct: ", options.steps, " steps of ", options.batch,
               " images; at least one of each");
    const std::vector<Unit> units =
        options.method == Reconstruction::adaround ? layer_units(network) : block_units(network);
    std::vector<ReconstructedUnit> results;
    std::set<std::string> held;  // scales learned by an earlier unit
    for (const Unit& unit : units) {
        const auto index = static_cast<int64_t>(results.size());
        UnitReconstruction work(model, network, unit, images, options, held);
        results.push_back(work.run([&](int64_t step, double loss) {
            if (!watch.step) return;
            watch.step(
                {unit.name, index, static_cast<int64_t>(units.size()), step, options.steps, loss});
        }));
        held.merge(work.learned_quantizers());
        if (watch.unit) watch.unit(results.back());
    }
    return results;
}

}  // namespace gradus
