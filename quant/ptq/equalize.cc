#include "quant/ptq/equalize.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "quant/placement.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int most_passes = 50;
constexpr float small_enough = 1e-3f;  // stop after a pass with factors this close to 1

// Two weighted layers with only batch norm, ReLU, pooling and flattening between them.
struct Pair {
    int first, second;
};

Tensor& parameter_of(const Graph& network, int layer, int input) {
    return network.node(network.node(layer).inputs.at(input)).parameter->value;
}

// gamma / sigma of the batch norm after a layer, or ones.
std::vector<float> fold_factors(const Graph& network, int layer, int64_t channels) {
    std::vector<float> factors(channels, 1.0f);
    const int norm = following_batch_norm(network, layer);
    if (norm < 0) return factors;
    const float* gamma = parameter_of(network, norm, 1).data<float>();
    const float* var = parameter_of(network, norm, 4).data<float>();
    const auto eps = static_cast<float>(network.node(norm).attributes.real("eps"));
    for (int64_t c = 0; c < channels; ++c) factors[c] = gamma[c] / std::sqrt(var[c] + eps);
    return factors;
}

// Visits the weights of a layer: output channel, input channel, value. Flattened images keep their
// channels last.
void for_each_weight(const Graph& network, int layer, int64_t in_channels,
                     const std::function<void(int64_t out, int64_t in, float& w)>& visit) {
    Tensor& weight = parameter_of(network, layer, 1);
    const int64_t filters = weight.shape()[0];
    const int64_t size = weight.numel() / filters, last = weight.shape()[-1];
    const Node& node = network.node(layer);
    const int64_t groups = node.op == "conv2d" ? node.attributes.integer("groups") : 1;
    for (int64_t o = 0; o < filters; ++o) {
        const int64_t group = o / (filters / groups);
        for (int64_t i = 0; i < size; ++i) {
            const int64_t in = (group * last + i % last) % in_channels;
            visit(o, in, weight.data<float>()[o * size + i]);
        }
    }
}

int64_t out_channels(const Graph& network, int layer) {
    return parameter_of(network, layer, 1).shape()[0];
}

struct Ranges {
    std::vector<float> first, second;
};

Ranges ranges_of(const Graph& network, const Pair& pair) {
    const int64_t channels = out_channels(network, pair.first);
    Ranges ranges{std::vector<float>(channels, 0.0f), std::vector<float>(channels, 0.0f)};
    const auto first = fold_factors(network, pair.first, channels);
    const auto second = fold_factors(network, pair.second, out_channels(network, pair.second));
    const auto widen = [](float& range, float w) { range = std::max(range, 2.0f * std::fabs(w)); };
    for_each_weight(network, pair.first, channels,
                    [&](int64_t o, int64_t, float& w) { widen(ranges.first[o], w * first[o]); });
    for_each_weight(network, pair.second, channels, [&](int64_t o, int64_t c, float& w) {
        widen(ranges.second[c], w * second[o]);
    });
    return ranges;
}

float factor_of(float r1, float r2) {
    if (r1 <= 0.0f || r2 <= 0.0f || r1 + r2 < 0.5f) return 1.0f;
    return std::clamp(std::sqrt(r1 * r2) / r2, 1e-6f, 1e6f);
}

double spread(const std::vector<float>& ranges) {
    float lo = INFINITY, hi = 0.0f;
    for (float r : ranges) {
        if (r > 0.0f) lo = std::min(lo, r);
        hi = std::max(hi, r);
    }
    return hi > 0.0f ? hi / lo : 1.0;
}

double larger_spread(const Ranges& ranges) {
    return std::max(spread(ranges.first), spread(ranges.second));
}

void divide_first(const Graph& network, int layer, const std::vector<float>& e) {
    const int norm = following_batch_norm(network, layer);
    const auto divide = [&](Tensor& values) {
        const int64_t each = values.numel() / static_cast<int64_t>(e.size());
        for (int64_t i = 0; i < values.numel(); ++i) values.data<float>()[i] /= e[i / each];
    };
    if (norm >= 0) {
        divide(parameter_of(network, norm, 1));
        divide(parameter_of(network, norm, 2));
        return;
    }
    divide(parameter_of(network, layer, 1));
    if (network.node(layer).inputs.size() > 2) divide(parameter_of(network, layer, 2));
}

// Equalizes a pair once; returns the distance of its factors from 1.
float even_out(const Graph& network, const Pair& pair) {
    const Ranges ranges = ranges_of(network, pair);
    std::vector<float> e(ranges.first.size());
    float farthest = 0.0f;
    for (size_t c = 0; c < e.size(); ++c) {
        e[c] = factor_of(ranges.first[c], ranges.second[c]);
        farthest = std::max(farthest, std::fabs(e[c] - 1.0f));
    }
    divide_first(network, pair.first, e);
    for_each_weight(network, pair.second, static_cast<int64_t>(e.size()),
                    [&](int64_t, int64_t c, float& w) { w *= e[c]; });
    return farthest;
}

// The weighted layer that is the only reader of `layer`, or the reason why there is none.
int partner(const Graph& network, int layer, std::string& reason) {
    int id = layer;
    while (id != network.output()) {
        const auto consumers = network.consumers(id);
        if (consumers.size() != 1) return reason = "more than one node reads it", -1;
        id = consumers[0];
        const Node& node = network.node(id);
        if (is_weighted(node)) return id;
        const bool lets_through = node.op == "batch_norm" || node.op == "relu" ||
                                  node.op == "average_pool2d" || passes_through(node);
        if (!lets_through) return reason = join(node.name, " is a ", node.op), -1;
        if (node.op == "batch_norm" && node.inputs[0] != layer) {
            return reason = join(node.name, " does not follow it directly"), -1;
        }
    }
    return reason = "the last layer", -1;
}

std::vector<Pair> find_pairs(const Graph& network, std::vector<std::string>& skipped) {
    std::vector<Pair> pairs;
    for (int id = 0; id < static_cast<int>(network.nodes().size()); ++id) {
        if (!is_weighted(network.node(id))) continue;
        std::string reason;
        const int second = partner(network, id, reason);
        if (second >= 0) pairs.push_back({id, second});
        if (second < 0) skipped.push_back(network.node(id).name + ": " + reason);
    }
    return pairs;
}

}  // namespace

Equalization equalize(const Graph& network) {
    Equalization result;
    const std::vector<Pair> pairs = find_pairs(network, result.skipped);
    for (const Pair& pair : pairs) {
        result.pairs.push_back({network.node(pair.first).name, network.node(pair.second).name,
                                larger_spread(ranges_of(network, pair))});
    }
    float farthest = 1.0f;
    for (int pass = 0; pass < most_passes && farthest > small_enough; ++pass) {
        farthest = 0.0f;
        for (const Pair& pair : pairs) farthest = std::max(farthest, even_out(network, pair));
    }
    for (size_t i = 0; i < pairs.size(); ++i) {
        result.pairs[i].spread_after = larger_spread(ranges_of(network, pairs[i]));
    }
    return result;
}

}  // namespace gradus
