// fold_batch_norm -- batch norm folded into the convolution in front of it, as a graph of ordinary
// operators. x is the layer's input, w and b its weight and bias, Q the quantizer of its weights;
// u = conv(x, w) + b; mean~ and sigma~ are those of the batch u, mean and sigma the running ones.
//
//  inference 0 to 4   y = conv(x, Q(w g)) + beta + (b - mean) g                   g = gamma / sigma
//  training
//   -1 none         y = BN(conv(x, Q(w)) + b): nothing is folded, not even in inference
//    0 merge        as inference; w g and the bias are separate parameters, merged once
//    1 freeze       as inference; the statistics do not change
//    2 naive        y = conv(x, Q(w g~)) + beta + (b - mean~) g~          g~ = gamma / sigma~
//    3 whitepaper   y = conv(x, Q(w g)) sigma / sigma~ + beta + (b - mean~) g~; sigma is a constant
//                   and read after the batch has updated it
//    4 torch        y = BN(conv(x, Q(w g)) / g + b), g from before the update
//
// mean~ holds b, so that b cancels in 2 and 3.
// source  MQBench (Li et al., NeurIPS 2021), section 3.3 and its released code; 2: Jacob et al.,
//         CVPR 2018, section 3.2; 3: Krishnamoorthi, arXiv 1806.08342, section 3.2.2; 4: PyTorch's
//         nn.intrinsic.qat, which adds b back after the division
// tests   tests/folding_golden_test.cc, tests/fold_batch_norm_test.cc
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/graph.h"
#include "quant/hardware.h"

namespace gradus {

enum class Folding { none = -1, merge, freeze, naive, whitepaper, torch };

const std::vector<std::string>& folding_names();  // of -1 to 4
// Error(usage) for an unknown strategy, or one that leaves the target a float step.
void check_folding(int strategy, const Hardware& hardware);

// A convolution and its batch norm, as node ids of the new graph. For Folding::merge, weight and
// bias are the merged ones and the nodes of batch norm are not read.
struct FoldedLayer {
    const Node& conv;  // of the float network, as `norm`: names and attributes
    const Node& norm;
    int x = -1, weight = -1, bias = -1;  // bias -1: none
    int gamma = -1, beta = -1, mean = -1, var = -1;
    // Returns the node of Q(w). `bias`: the node of the bias added to the accumulators in
    // inference, or the inputs of its batch_norm_bias.
    std::function<int(int w, const std::vector<int>& bias)> quantize_weight = {};
    std::function<int(int bias, int w)> quantize_biased = {};  // of a bias added to accumulators
    Attributes inference = {};  // of the convolution with its bias in the accumulators
};

// Adds the layer's nodes and returns the last one.
int fold_for_training(Graph& graph, Folding folding, const FoldedLayer& layer);
int fold_for_inference(Graph& graph, Folding folding, const FoldedLayer& layer);

// The result of Folding::merge for a layer: separate parameters, <conv>.weight.merged and
// <conv>.bias.merged.
struct MergedLayer {
    std::shared_ptr<Parameter> conv_weight, conv_bias, gamma, beta, mean,
        var;  // conv_bias or nullptr
    float eps = 0.0f;
    std::shared_ptr<Parameter> weight, bias;

    // Recomputes weight and bias, bit for bit as the operators of the other foldings do.
    void merge() const;
};

std::string merged_bias_name(const std::string& conv);
MergedLayer merged_layer(const Graph& network, const Node& conv, const Node& norm);

}  // namespace gradus
