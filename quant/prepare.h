// prepare -- a float graph rewritten for a hardware: fold batch norm, place quantizers, calibrate.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "quant/hardware.h"
#include "quant/quantizer.h"

namespace gradus {

struct Recipe {
    std::string algorithm = "lsq";
    std::string hardware = "onnxruntime";
    Simulate simulate = Simulate::exact;
    int weight_bits = 4;
    int activation_bits = 4;
    int first_last_bits = 8;  // weights and inputs of the first and last weighted layer
};

// The quantized network: two graphs that share parameters and quantizers.
struct QuantizedModel {
    Graph training;   // batch norm on batch statistics, folded as the hardware's row says
    Graph inference;  // batch norm merged into int32 biases (foldings 0 to 4), or apart (-1)
    std::vector<std::shared_ptr<Quantizer>> quantizers;  // in network order
    const Hardware* hardware = nullptr;
    Recipe recipe;

    int64_t activation_quantizers() const;
};

// Rewrites `network`, whose parameters stay shared. Refuses what the row cannot do in one line.
QuantizedModel quantize(const Graph& network, const Recipe& recipe);

// Initialises every quantizer in network order, quantization of what is before it already on
// (MQBench 2.1), from one batch of normalised images [N, H, W, C]. Runs the inference graph.
void calibrate(QuantizedModel& model, const Tensor& images);

}  // namespace gradus
