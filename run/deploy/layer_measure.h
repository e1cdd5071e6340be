// layer_measure -- what every instruction of a Program did on the images: accumulators, saturation,
// difference from the simulation, and noise against the float network.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "integer/accumulators.h"
#include "integer/compare.h"
#include "integer/register_grids.h"
#include "run/deploy/rule_report.h"

namespace gradus {

// One instruction over all images. What it has not is left empty.
struct LayerMeasure {
    std::string layer, op, quantizer;
    std::optional<RegisterGrid> grid;  // of its codes; a float output has none
    RuleReport rule;
    int64_t accumulators = 0;  // seen
    int32_t least_accumulator = 0, largest_accumulator = 0;
    std::optional<AccumulatorBound> bound;  // by the constants alone
    int64_t saturated = 0;                  // accumulators that exact sums would not have given
    int64_t codes = 0;
    bool clamps = false;              // it rounds to a grid; others pass codes on
    int64_t at_low = 0, at_high = 0;  // codes at the ends of the clamp
    double signal = 0, noise = 0;     // sums of squares: the float network's, the difference
    std::string float_node;           // where the float network was looked at; "" if nowhere

    // Bits of the largest |accumulator|: |acc| < 2^bits.
    int accumulator_bits() const;
    // 10 log10(signal / noise) in dB; nothing where nothing was compared, infinite without noise.
    std::optional<double> sqnr() const;
};

class Measurement {
  public:
    // `network`: the float graph that the model was made of.
    Measurement(const QuantizedModel& model, const Program& program, const Graph& network);

    // Runs float network, simulation and Program on the images.
    BatchOutcome add(const Tensor& images, IntegerKernel kernel);

    const std::vector<LayerMeasure>& layers() const { return layers_; }  // in program order
    // The values of the float network on the images added last.
    const Tensor& float_logits() const { return float_logits_; }
    const Comparison& comparison() const { return comparison_; }
    // Codes that differ from the simulation; nothing where no quantizer stands.
    std::optional<LayerComparison> compared(const LayerMeasure& layer) const;

    // The accumulators that a policy changed, of all; nothing where sums are exact.
    struct Saturation {
        int64_t changed = 0, all = 0;
        const LayerMeasure* worst = nullptr;  // where most were
    };
    std::optional<Saturation> saturation() const;
    // The same as a line, or "".
    std::string saturation_note() const;

  private:
    std::string float_place(const Instruction& instruction) const;
    void see_accumulators(const Instruction& instruction, const Tensor& accumulators);
    void count_saturated(LayerMeasure& layer, const Instruction& instruction,
                         const std::vector<Tensor>& inputs) const;
    void see_step(const Instruction& instruction, const std::vector<Tensor>& inputs,
                  const Tensor& output);

    const QuantizedModel& model_;
    const Program& program_;
    const Graph& network_;
    Comparison comparison_;
    std::vector<LayerMeasure> layers_;
    std::vector<size_t> writer_;  // of each register, the layer
    Tensor sums_;                 // of the instruction in hand
    Tensor float_logits_;
    std::map<std::string, Tensor> floats_;  // of the batch in hand, by float node
};

}  // namespace gradus
