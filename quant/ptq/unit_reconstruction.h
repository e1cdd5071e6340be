// unit_reconstruction -- reconstructs one unit: caches its data, trains it, writes back the result.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "nn/optimizer.h"
#include "quant/ptq/reconstruct.h"
#include "quant/ptq/unit_graph.h"
#include "quant/ptq/units.h"

namespace gradus {

// The rate of v: MQBench's 1e-3 for its 20000 steps. With fewer steps the rate is larger, so that v
// can move the same distance in total (docs/decisions/007).
double rounding_rate(int64_t steps);
// True if the penalty for weights between two codes applies at this step, and its beta there.
bool penalised(int64_t step, int64_t steps);
float beta_at(int64_t step, int64_t steps);

class UnitReconstruction {
  public:
    // Caches inputs and targets of all images. Scales of the quantizers in `held` are not learned.
    // The arguments must outlive the object.
    UnitReconstruction(const QuantizedModel& model, const Graph& network, const Unit& unit,
                       const Tensor& images, const ReconstructionOptions& options,
                       const std::set<std::string>& held);

    ReconstructedUnit run(const std::function<void(int64_t step, double loss)>& watch);
    // The quantizers whose scales were learned here.
    std::set<std::string> learned_quantizers() const;

  private:
    UnitGraph build(Weights weights) const;
    Grid grid_of(const Rounding& rounding) const;
    Tensor folded_weight(const Rounding& rounding) const;
    void begin();
    void restore();
    Tensor batch_input(const std::vector<int64_t>& picked, const Rng& rng) const;
    Variable penalised_loss(const Execution& run, Variable loss, int64_t step) const;
    double learn(Optimizer& optimizer, int64_t step);
    void harden();
    void bake(const Rounding& rounding, const Tensor& values) const;
    double loss_on_codes() const;

    const Graph& inference_;
    const ReconstructionOptions& options_;
    const int entry_, exit_;  // in the quantized network
    const float keep_;        // below 1: activations are rounded with this probability
    const Rng rng_;
    const std::set<std::string>& held_;
    Tensor quantized_;  // inputs from the quantized network
    Tensor exact_;      // inputs from the float network, if they are mixed in
    Tensor target_;
    Shape sample_shape_;
    UnitGraph unit_;
    std::vector<Affine> nearest_;  // codes of the roundings before learning
    std::vector<Tensor> before_;   // the weights before learning, then the scales
    ReconstructedUnit result_;
};

}  // namespace gradus
