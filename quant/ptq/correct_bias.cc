#include "quant/ptq/correct_bias.h"

#include <algorithm>
#include <cmath>

#include "quant/placement.h"
#include "quant/ptq/subgraph.h"
#include "quant/ptq/units.h"

namespace gradus {

namespace {

// Mean of every channel (the last axis) of a node's value over images and positions.
std::vector<double> channel_means(const Graph& graph, int id, const Tensor& images) {
    std::vector<double> sums;
    int64_t rows = 0;
    stream_values(graph, {id}, images, [&](int64_t, const std::vector<Tensor>& values) {
        const float* y = values[0].data<float>();
        const int64_t channels = values[0].shape()[-1], n = values[0].numel() / channels;
        sums.resize(channels, 0.0);
        for (int64_t row = 0; row < n; ++row) {
            for (int64_t c = 0; c < channels; ++c) sums[c] += y[row * channels + c];
        }
        rows += n;
    });
    for (double& sum : sums) sum /= static_cast<double>(rows);
    return sums;
}

// The node whose value is a layer's output, and the name of its bias ("": none).
struct BiasPlace {
    int node;
    std::string bias;
};

BiasPlace bias_place(const Graph& network, int layer) {
    const int norm = following_batch_norm(network, layer);
    if (norm >= 0) return {norm, network.node(network.node(norm).inputs[2]).name};
    const Node& node = network.node(layer);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] >= 0;
    return {layer, has_bias ? network.node(node.inputs[2]).name : ""};
}

// The error of rounding the bias that node `id` reads to the accumulator's grid; empty: none. The
// weights do not cause it, and it would return after every correction.
std::vector<double> bias_rounding(const Graph& inference, int id) {
    const Node& layer = inference.node(id);
    const int bias = layer.inputs.size() > 2 ? layer.inputs[2] : -1;
    if (bias < 0 || inference.node(bias).op != "quantize_bias") return {};
    const std::string& rounded = inference.node(bias).name;
    const std::string& real = inference.node(inference.node(bias).inputs[0]).name;
    const auto values = constants_of(inference, {rounded, real});
    std::vector<double> added(values.at(real).numel());
    for (size_t c = 0; c < added.size(); ++c) {
        added[c] = double{values.at(rounded).data<float>()[c]} - values.at(real).data<float>()[c];
    }
    return added;
}

}  // namespace

std::vector<CorrectedLayer> correct_bias(
    QuantizedModel& model, const Graph& network, const Tensor& images,
    const std::function<void(const std::string& layer)>& watch) {
    std::vector<CorrectedLayer> results;
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        if (!is_weighted(network.node(id))) continue;
        const BiasPlace place = bias_place(network, id);
        if (place.bias.empty()) continue;
        CorrectedLayer result{network.node(id).name};
        if (watch) watch(result.layer);
        const int quantized = counterpart(model.inference, network, place.node);
        const auto wanted = channel_means(network, place.node, images);
        const auto found = channel_means(model.inference, quantized, images);
        const auto rounding = bias_rounding(model.inference, quantized);
        const int merged = model.inference.find(merged_bias_name(result.layer));
        const int parameter = merged >= 0 ? merged : model.inference.find(place.bias);
        check(parameter >= 0, "correct_bias: the quantized network has no ", place.bias);
        float* bias = model.inference.node(parameter).parameter->value.data<float>();
        for (size_t c = 0; c < wanted.size(); ++c) {
            const double shift = wanted[c] - found[c] + (rounding.empty() ? 0.0 : rounding[c]);
            bias[c] += static_cast<float>(shift);
            result.largest = std::max(result.largest, std::fabs(shift));
        }
        results.push_back(result);
    }
    return results;
}

}  // namespace gradus
