#include "quant/fold_batch_norm.h"

#include "autograd/ops.h"
#include "tensor/check.h"

namespace gradus {

namespace {

const Attributes filters{{"axis", int64_t{0}}}, channels{{"axis", int64_t{-1}}};

class Builder {
  public:
    Builder(Graph& graph, const FoldedLayer& layer)
        : graph_(graph), layer_(layer), conv_(layer.conv.name), norm_(layer.norm.name) {}

    // conv(x, Q(w)) + bias, with the bias on the accumulators' grid.
    int convolution(int w, int bias) {
        const int wq = layer_.quantize_weight(w, {bias});
        return graph_.add_op("conv2d", conv_, {layer_.x, wq, layer_.quantize_biased(bias, wq)},
                             layer_.inference);
    }

    int inference() {
        const int g = running_scale();
        const int w = folded_weight(g);
        return convolution(w, folded_bias(layer_.mean, g));
    }

    int naive() {
        const BatchNodes batch = batch_statistics();
        const int g = scale(norm_ + ".scale", batch.variance);
        const int wq = layer_.quantize_weight(folded_weight(g), bias_parts(batch.mean, g));
        return graph_.add_op("conv2d", conv_, {layer_.x, wq, folded_bias(batch.mean, g)},
                             layer_.conv.attributes);
    }

    // Nodes run in order: when the scale and the ratio read the running variance, the batch has
    // already updated it.
    int whitepaper() {
        const BatchNodes batch = batch_statistics();
        const int g = running_scale();
        const int wq = layer_.quantize_weight(folded_weight(g), bias_parts(layer_.mean, g));
        const int u = graph_.add_op("conv2d", conv_, {layer_.x, wq}, layer_.conv.attributes);
        const int ratio = graph_.add_op("deviation_ratio", norm_ + ".ratio",
                                        {layer_.var, batch.variance}, {{"eps", eps()}});
        const int v = graph_.add_op("multiply_axis", conv_ + ".rescaled", {u, ratio}, channels);
        const int bias = folded_bias(batch.mean, scale(norm_ + ".batch_scale", batch.variance));
        return graph_.add_op("add_axis", norm_, {v, bias}, channels);
    }

    int torch() {
        const int g = running_scale();
        const int wq = layer_.quantize_weight(folded_weight(g), bias_parts(layer_.mean, g));
        const int u = graph_.add_op("conv2d", conv_, {layer_.x, wq}, layer_.conv.attributes);
        int v = graph_.add_op("divide_axis", conv_ + ".unscaled", {u, g}, channels);
        if (layer_.bias >= 0) {
            v = graph_.add_op("add_axis", conv_ + ".biased", {v, layer_.bias}, channels);
        }
        return graph_.add_op("batch_norm", norm_,
                             {v, layer_.gamma, layer_.beta, layer_.mean, layer_.var},
                             layer_.norm.attributes);
    }

  private:
    struct BatchNodes {
        int mean, variance;
    };

    double eps() const { return layer_.norm.attributes.real("eps"); }

    int scale(const std::string& name, int var) {
        return graph_.add_op("batch_norm_scale", name, {layer_.gamma, var}, {{"eps", eps()}});
    }
    int running_scale() { return scale(norm_ + ".scale", layer_.var); }

    int folded_weight(int g) {
        return graph_.add_op("multiply_axis", conv_ + ".weight.folded", {layer_.weight, g},
                             filters);
    }

    std::vector<int> bias_parts(int mean, int g) const {
        std::vector<int> parts{layer_.beta, mean, g};
        if (layer_.bias >= 0) parts.push_back(layer_.bias);
        return parts;
    }

    int folded_bias(int mean, int g) {
        return graph_.add_op("batch_norm_bias", conv_ + ".bias.folded", bias_parts(mean, g));
    }

    BatchNodes batch_statistics() {
        std::vector<int> inputs{layer_.x, layer_.weight};
        if (layer_.bias >= 0) inputs.push_back(layer_.bias);
        const int u =
            graph_.add_op("conv2d", conv_ + ".unquantized", inputs, layer_.conv.attributes);
        const Attributes momentum{{"momentum", layer_.norm.attributes.real("momentum")}};
        const int mean =
            graph_.add_op("batch_mean", norm_ + ".batch_mean", {u, layer_.mean}, momentum);
        return {mean,
                graph_.add_op("batch_variance", norm_ + ".batch_var", {u, layer_.var}, momentum)};
    }

    Graph& graph_;
    const FoldedLayer& layer_;
    const std::string conv_, norm_;
};

std::shared_ptr<Parameter> merged_parameter(const std::string& name, const Parameter& source) {
    auto merged = std::make_shared<Parameter>(source);
    merged->name = name;
    merged->value = Tensor::empty(source.value.shape());
    return merged;
}

}  // namespace

const std::vector<std::string>& folding_names() {
    static const std::vector<std::string> names{"none",  "merge",      "freeze",
                                                "naive", "whitepaper", "torch"};
    return names;
}

void check_folding(int strategy, const Hardware& hardware) {
    check_kind(strategy >= -1 && strategy <= 4, ErrorKind::usage, "batch-norm folding ", strategy,
               " is not known; there are -1 to 4");
    check_kind(strategy >= 0 || !hardware.integer_throughout(), ErrorKind::usage, hardware.name,
               ": without folding (-1, none) batch norm remains as a float step after the ",
               "accumulator, but this target is integer throughout; choose 0 to 4");
}

int fold_for_inference(Graph& graph, Folding folding, const FoldedLayer& layer) {
    Builder builder(graph, layer);
    if (folding == Folding::merge) return builder.convolution(layer.weight, layer.bias);
    return builder.inference();
}

int fold_for_training(Graph& graph, Folding folding, const FoldedLayer& layer) {
    Builder builder(graph, layer);
    if (folding == Folding::naive) return builder.naive();
    if (folding == Folding::whitepaper) return builder.whitepaper();
    if (folding == Folding::torch) return builder.torch();
    return fold_for_inference(graph, folding, layer);
}

void MergedLayer::merge() const {
    const Variable g = batch_norm_scale(Variable(gamma->value), Variable(var->value), eps);
    const Variable b = conv_bias ? Variable(conv_bias->value) : Variable();
    weight->value.copy_from(multiply_axis(Variable(conv_weight->value), g, 0).data());
    bias->value.copy_from(
        batch_norm_bias(Variable(beta->value), Variable(mean->value), g, b).data());
}

std::string merged_bias_name(const std::string& conv) {
    return conv + ".bias.merged";
}

MergedLayer merged_layer(const Graph& network, const Node& conv, const Node& norm) {
    const auto parameter = [&](const Node& node, size_t input) {
        return input < node.inputs.size() ? network.node(node.inputs[input]).parameter : nullptr;
    };
    MergedLayer layer;
    layer.conv_weight = parameter(conv, 1);
    layer.conv_bias = parameter(conv, 2);
    layer.gamma = parameter(norm, 1);
    layer.beta = parameter(norm, 2);
    layer.mean = parameter(norm, 3);
    layer.var = parameter(norm, 4);
    layer.eps = static_cast<float>(norm.attributes.real("eps"));
    layer.weight = merged_parameter(conv.name + ".weight.merged", *layer.conv_weight);
    layer.bias = merged_parameter(merged_bias_name(conv.name), *layer.beta);
    layer.merge();
    return layer;
}

}  // namespace gradus
