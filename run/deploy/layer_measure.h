// layer_measure -- statistics of every instruction of a Program on the images: accumulators,
// saturation, difference from the simulation, and noise against the float network.
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

// One instruction over all images. Fields that do not apply stay empty.
struct LayerMeasure {
    std::string layer, op, quantizer;
    std::optional<RegisterGrid> grid;  // of its codes; a float output has none
    RuleReport rule;
    int64_t accumulators = 0;  // number seen
    int32_t least_accumulator = 0, largest_accumulator = 0;
    std::optional<AccumulatorBound> bound;  // from the constants alone
    int64_t saturated = 0;                  // accumulators that differ from their exact sums
    int64_t codes = 0;
    bool clamps = false;              // rounds to a grid; others pass codes on
    int64_t at_low = 0, at_high = 0;  // codes at the ends of the clamp
    double signal = 0, noise = 0;     // sums of squares: the float network's, the difference
    std::string float_node;           // the float node it is compared with; "" if none

    // Bits of the largest |accumulator|: |acc| < 2^bits.
    int accumulator_bits() const;
    // 10 log10(signal / noise) in dB; empty if nothing was compared, infinite without noise.
    std::optional<double> sqnr() const;
};

class Measurement {
  public:
    // `network`: the float graph from which the model was made.
    Measurement(const QuantizedModel& model, const Program& program, const Graph& network);

    // Runs float network, simulation and Program on the images.
    BatchOutcome add(const Tensor& images, IntegerKernel kernel);

    const std::vector<LayerMeasure>& layers() const { return layers_; }  // in program order
    // The logits of the float network on the last images added.
    const Tensor& float_logits() const { return float_logits_; }
    const Comparison& comparison() const { return comparison_; }
    // Counts codes that differ from the simulation; empty if the layer has no quantizer.
    std::optional<LayerComparison> compared(const LayerMeasure& layer) const;

    // Accumulators that saturated, out of all; empty if all sums are exact.
    struct Saturation {
        int64_t changed = 0, all = 0;
        const LayerMeasure* worst = nullptr;  // the layer with most of them
    };
    std::optional<Saturation> saturation() const;
    // The same in one line, or "".
    std::string saturation_note() const;

  private:
    std::string float_place(const Instruction& instruction) const;
    void see_accumulators(const Instruction& instruction, const Tensor& accumulators);
    void count_saturated(LayerMeasure& layer, const Instruction& instruction,
                         const std::vector<Tensor>& inputs) const;
    void see_step(const Instruction& instruction, const std::vector<Tensor>& inputs,
                  const Tensor& output);

    const QuantizedModel& model_;
    const Graph& network_;
    Comparison comparison_;
    std::vector<LayerMeasure> layers_;
    std::vector<size_t> writer_;  // the layer that writes each register
    Tensor sums_;                 // of the current instruction
    Tensor float_logits_;
    std::map<std::string, Tensor> floats_;  // of the current batch, by float node
};

}  // namespace gradus
