// reconstruct -- post-training quantization: learns the rounding of every weight, unit by unit, so
// that the unit's output approaches that of the float network.
//
//   loss  = mean over images and places of sum over channels (y - y_float)^2
//         + strength sum (1 - |2 h - 1|^beta); beta 20 -> 2 after 20 % of the steps without it
//
// adaround  unit = layer. Nagel et al., ICML 2020 (arXiv 2004.10568)
// brecq     unit = block. Li et al., ICLR 2021 (arXiv 2102.05426)
// qdrop     brecq, with every activation, the unit's input too, rounded with probability 1/2 only.
//           Wei et al., ICLR 2022 (arXiv 2203.05740)
//
// Scales of weights stay; those of activations are learned, without LSQ's gradient scale. The
// result goes into the float weights: rounding them to the nearest code gives the learned codes.
// source     MQBench 2.8; the rate of v is docs/decisions/007
// exactness  the same bits for any number of threads
// tests      tests/reconstruct_test.cc
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quant/prepare.h"

namespace gradus {

enum class Reconstruction { adaround, brecq, qdrop };

// "adaround", "brecq", "qdrop". An unknown name is a usage error with the list.
Reconstruction reconstruction_of(const std::string& name);
std::vector<std::string> reconstruction_names();

struct ReconstructionOptions {
    Reconstruction method = Reconstruction::adaround;
    int64_t steps = 1000;  // for each unit; MQBench takes 20000
    int64_t batch = 64;
    float strength = 0.01f;  // of the penalty for weights between two codes
    uint64_t seed = 1;
};

struct ReconstructionStep {
    std::string unit;
    int64_t unit_index, units;  // from 0
    int64_t step, steps;        // the step just done, of this unit, from 0
    double loss;                // of this step, without the penalty
};
// Losses of the unit with codes only, over all images, on the quantized network's inputs.
struct ReconstructedUnit {
    std::string name;
    double before = 0.0;  // rounded to nearest, calibrated scales
    double after = 0.0;
    int64_t weights = 0;
    int64_t changed = 0;  // codes that are not the nearest; 0 if learning did not help
};

// Called after every step and every unit. An exception ends the reconstruction and leaves the model
// half done.
struct WatchReconstruction {
    std::function<void(const ReconstructionStep&)> step;
    std::function<void(const ReconstructedUnit&)> unit;
};

// A usage error if the weights' quantizers cannot be reconstructed.
void refuse_reconstruction(const QuantizedModel& model);

// `network` is the float network with separate parameters (detached_copy); the model's quantizers
// are calibrated. images [N, H, W, C].
std::vector<ReconstructedUnit> reconstruct(QuantizedModel& model, const Graph& network,
                                           const Tensor& images,
                                           const ReconstructionOptions& options,
                                           const WatchReconstruction& watch = {});

}  // namespace gradus
