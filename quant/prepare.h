// prepare -- a float graph rewritten for a hardware: fold batch norm, place quantizers, calibrate.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "quant/fold_batch_norm.h"
#include "quant/hardware.h"
#include "quant/quantizer.h"

namespace gradus {

struct Recipe {
    std::string algorithm = "lsq";
    std::string hardware = "onnxruntime";
    Simulate simulate = Simulate::exact;
    int weight_bits = 4;
    int activation_bits = 4;
    int first_last_bits = 8;           // weights and inputs of the first and last weighted layer
    std::string weight_algorithm;      // empty: `algorithm`
    std::string activation_algorithm;  // empty: `algorithm`
    AccumulatorPolicy accumulator = AccumulatorPolicy::exact;
    Calibration weight_calibration = Calibration::own;
    Calibration activation_calibration = Calibration::own;
    Reading reading = Reading::paper;
    DsqForm dsq_form = DsqForm::soft;
    std::optional<int> bn_fold;  // MQBench's number of the folding; empty: the hardware's
};

// The quantized network: two graphs that share parameters and quantizers.
struct QuantizedModel {
    Graph training;   // batch norm on batch statistics, folded as in fold_batch_norm.h
    Graph inference;  // batch norm merged into int32 biases (foldings 0 to 4), or apart (-1);
                      // trained on, its statistics are frozen
    std::vector<std::shared_ptr<Quantizer>> quantizers;  // in network order
    std::vector<MergedLayer> merged;                     // of folding 0
    const Hardware* hardware = nullptr;
    Recipe recipe;

    Folding folding() const;
    int64_t activation_quantizers() const;
    // Why integers cannot execute it; empty if they can.
    std::string not_deployable() const;
};

// Makes all quantizers simulate in one way until it goes out of scope; restores the recipe's way.
class SimulateAs {
  public:
    SimulateAs(const QuantizedModel& model, Simulate simulate);
    ~SimulateAs();
    SimulateAs(const SimulateAs&) = delete;
    SimulateAs& operator=(const SimulateAs&) = delete;

  private:
    const QuantizedModel& model_;
};

// Returns one batch per call; an undefined tensor ends them.
using BatchSource = std::function<Tensor()>;

// Rewrites `network`, sharing its parameters. Refuses in one line what the row does not support.
QuantizedModel quantize(const Graph& network, const Recipe& recipe);

// Folding 0: recomputes the merged parameters from those of the float network.
void merge_batch_norm(QuantizedModel& model);

// Initialises every quantizer in network order, with earlier quantizers already on (MQBench 2.1),
// from batches of normalised images [N, H, W, C]. Runs the inference graph; memory does not depend
// on the number of batches. Merges batch norm first (folding 0).
void calibrate(QuantizedModel& model, const BatchSource& next);
void calibrate(QuantizedModel& model, const Tensor& images);  // one batch

// Error(usage) for foldings 0 and 1, whose training graph measures no batch.
void refuse_reestimation(const QuantizedModel& model);
// Sets running means and variances to their averages over the batches, quantization on (MQBench,
// App. C.3), and nothing else. Runs the training graph.
void reestimate_batch_norm(QuantizedModel& model, const BatchSource& next);

}  // namespace gradus
