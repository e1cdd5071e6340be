#include "quant/prepare.h"

#include <map>
#include <set>

#include "nn/executor.h"
#include "nn/node_attributes.h"
#include "quant/placement.h"

namespace gradus {

namespace {

enum class Phase { training, inference };

// Quantizers by name, made once and shared by the graphs of both phases.
class QuantizerPool {
  public:
    QuantizerPool(const Recipe& recipe, const Hardware& hardware)
        : recipe_(recipe), hardware_(hardware) {}

    // `end`: belongs to the first or last weighted layer.
    std::shared_ptr<Quantizer> weight(const std::string& name, const Shape& shape, bool end) {
        Quantizer q;
        q.role = Role::weight;
        q.format = hardware_.weight;
        q.format.bits = end ? recipe_.first_last_bits : recipe_.weight_bits;
        q.free_zero_point = !q.format.symmetric;
        q.calibration = recipe_.weight_calibration;
        return get(name, q, recipe_.weight_algorithm, end, channel_count(q.format, shape));
    }

    std::shared_ptr<Quantizer> activation(const std::string& name, bool behind_relu, bool end) {
        Quantizer q;
        q.role = Role::activation;
        q.format = hardware_.activation;
        q.format.bits = end ? recipe_.first_last_bits : recipe_.activation_bits;
        q.free_zero_point = !q.format.symmetric && !behind_relu;
        q.adaptive_sign = hardware_.adaptive_sign;
        q.calibration = recipe_.activation_calibration;
        return get(name, q, recipe_.activation_algorithm, end, 1);
    }

    const std::vector<std::shared_ptr<Quantizer>>& all() const { return quantizers_; }

  private:
    // Returns the quantizer of this name; the first call makes it from `q`.
    std::shared_ptr<Quantizer> get(const std::string& name, Quantizer q,
                                   const std::string& algorithm, bool end, int64_t channels) {
        for (const auto& quantizer : quantizers_) {
            if (quantizer->name == name) return quantizer;
        }
        q.name = name;
        q.simulate = recipe_.simulate;
        q.reading = recipe_.reading;
        q.dsq_form = recipe_.dsq_form;
        q.hardware = &hardware_;
        q.algorithm = &find_algorithm(algorithm.empty() ? recipe_.algorithm : algorithm, q.role);
        if (end && q.algorithm->ends_by_range) {  // MQBench 2: the min-max rule at both ends
            q.algorithm = &find_algorithm("minmax");
            q.follows_range = true;
            q.calibration = Calibration::own;
        }
        make_parameters(q, channels);
        quantizers_.push_back(std::make_shared<Quantizer>(std::move(q)));
        return quantizers_.back();
    }

    const Recipe& recipe_;
    const Hardware& hardware_;
    std::vector<std::shared_ptr<Quantizer>> quantizers_;
};

// Copies a float graph node by node and inserts quantizers and foldings.
class Rewriter {
  public:
    Rewriter(const Graph& network, const Hardware& hardware, Folding folding, QuantizerPool& pool,
             std::vector<MergedLayer>& merged, Phase phase)
        : network_(network),
          hardware_(hardware),
          place_(place_quantizers(network, hardware)),
          folding_(folding),
          pool_(pool),
          merged_(merged),
          phase_(phase),
          map_(network.nodes().size(), -1) {}

    Graph run() {
        for (int id = 0; id < static_cast<int>(map_.size()); ++id) {
            const Node& node = network_.node(id);
            if (deferred(id)) continue;
            map_[id] = copy(id, node);
            if (place_.behind.count(id)) map_[id] = quantize_behind(id);
        }
        graph_.set_output(map_[network_.output()]);
        return std::move(graph_);
    }

  private:
    bool folds() const { return folding_ != Folding::none; }

    // True for weights, which are copied at their use, and for convolutions that are folded with
    // their batch norm.
    bool deferred(int id) const {
        const Node& node = network_.node(id);
        if (node.kind == NodeKind::parameter) return true;
        return node.op == "conv2d" && folds() && following_batch_norm(network_, id) >= 0;
    }

    int copy(int id, const Node& node) {
        if (node.kind == NodeKind::input) {
            return graph_.add_input(node.name, Shape(node.attributes.integers("shape")));
        }
        if (node.op == "batch_norm" && folds()) return folded(id, node);
        if (is_weighted(node)) return weighted(id, node);
        std::vector<int> inputs;
        for (int input : node.inputs) inputs.push_back(reuse(input));
        Attributes attributes = node.attributes;
        // Training the inference graph trains on frozen statistics.
        const bool freezes = node.op == "batch_norm" && phase_ == Phase::inference;
        if (freezes) attributes.set("frozen", int64_t{1});
        const int result = graph_.add_op(node.op, node.name, inputs, attributes);
        if (average_rule(hardware_, node.op) == PoolRule::none) return result;
        std::vector<int> averaged{result};
        if (node.op == "average_pool2d") averaged.push_back(inputs[0]);
        return graph_.add_op("requantize_average", node.name + ".requantized", averaged,
                             node.attributes, grid_of(inputs[0]));
    }

    // Maps an old node to its new one; copies parameters at first use.
    int reuse(int id) {
        if (id >= 0 && map_[id] < 0) map_[id] = graph_.add_parameter(network_.node(id).parameter);
        return id < 0 ? -1 : map_[id];
    }

    // A quantizer may have several nodes: inputs of a concat share one.
    int add_quantizer(const std::shared_ptr<Quantizer>& quantizer, const std::string& node, int x) {
        std::vector<int> inputs{x};
        for (const auto& parameter : quantizer->parameters) {
            const int known = graph_.find(parameter->name);
            inputs.push_back(known >= 0 ? known : graph_.add_parameter(parameter));
        }
        return graph_.add_op("quantize", node, inputs, {}, quantizer);
    }
    int add_quantizer(const std::shared_ptr<Quantizer>& quantizer, int x) {
        return add_quantizer(quantizer, quantizer->name, x);
    }

    int quantize_behind(int id) {
        const int name = place_.behind.at(id);
        bool behind_relu = true;
        for (const auto& [member, of] : place_.behind) {
            const std::string& op = network_.node(member).op;
            if (of == name) behind_relu = behind_relu && (op == "relu" || op == "relu6");
        }
        return add_quantizer(pool_.activation(network_.node(name).name + ".quantizer", behind_relu,
                                              place_.first_last_inputs.count(name) > 0),
                             network_.node(id).name + ".quantizer", map_[id]);
    }

    // x: the quantized input; bias: as in FoldedLayer, empty for a layer without one.
    int quantized_weight(const Node& layer, int layer_id, int w, int x,
                         const std::vector<int>& bias) {
        const Node& parameter = network_.node(layer.inputs[1]);
        const auto quantizer =
            pool_.weight(parameter.name + ".quantizer", parameter.parameter->value.shape(),
                         place_.first_last_layers.count(layer_id) > 0);
        const int result = add_quantizer(quantizer, w);
        if (hardware_.bias == BiasRule::real || quantizer->algorithm->not_deployable) return result;
        quantizer->input = std::dynamic_pointer_cast<Quantizer>(grid_of(x));
        std::vector<int>& inputs = graph_.node(result).inputs;
        inputs.insert(inputs.end(), bias.begin(), bias.end());
        return result;
    }

    // Returns the activation that a weighted layer reads; block graph 1 quantizes it here.
    int layer_input(const Node& layer, int layer_id) {
        const int x = reuse(layer.inputs[0]);
        if (!place_.before.count(layer_id)) return x;
        return add_quantizer(pool_.activation(layer.name + ".input.quantizer", false,
                                              place_.first_last_layers.count(layer_id) > 0),
                             x);
    }

    // Returns the quantizer of the grid of node `id` in the new graph.
    std::shared_ptr<NodePayload> grid_of(int id) const {
        while (graph_.node(id).op != "quantize") {
            check(!graph_.node(id).inputs.empty(), "prepare: ", graph_.node(id).name,
                  " is on no quantizer's grid");
            id = graph_.node(id).inputs[0];
        }
        return graph_.node(id).payload;
    }

    int quantized_bias(const std::string& layer, int bias, int w, int x) {
        return graph_.add_op("quantize_bias", layer + ".bias.quantized", {bias, w}, {}, grid_of(x));
    }

    // `last`: the layer, or the batch norm folded into it. Logits are floats; so is, if the target
    // adds in float, an output not read by exactly one quantizer. A batch norm after `last` is not
    // folded and reads floats.
    Attributes layer_attributes(const Node& layer, int last) const {
        Attributes attributes = layer.attributes;
        const int tail = activation_tail(network_, last);
        const auto readers = network_.consumers(tail);
        const bool one_quantizer = readers.size() == 1 && place_.before.count(readers[0]) > 0;
        const bool requantized = hardware_.requantize != RequantizeRule::none &&
                                 (hardware_.integer_throughout() || one_quantizer);
        if (requantized && last != network_.output()) attributes.set("accumulator", int64_t{1});
        return attributes;
    }

    // A convolution or linear layer without a batch norm to fold.
    int weighted(int id, const Node& layer) {
        const int x = layer_input(layer, id);
        const int filters = reuse(layer.inputs[1]);
        std::vector<int> bias;
        if (layer.inputs.size() > 2) bias.push_back(reuse(layer.inputs[2]));
        const int w = quantized_weight(layer, id, filters, x, bias);
        std::vector<int> inputs{x, w};
        if (!bias.empty()) inputs.push_back(quantized_bias(layer.name, bias[0], w, x));
        return graph_.add_op(layer.op, layer.name, inputs, layer_attributes(layer, id));
    }

    int folded(int id, const Node& norm) {
        const int conv_id = norm.inputs[0];
        const Node& conv = network_.node(conv_id);
        check_kind(conv.op == "conv2d", ErrorKind::usage, norm.name,
                   ": batch norm folds into a convolution only, not into ", conv.op);
        FoldedLayer layer{conv, norm};
        layer.x = layer_input(conv, conv_id);
        if (folding_ == Folding::merge) {
            const MergedLayer& merged = merged_of(conv, norm);
            layer.weight = graph_.add_parameter(merged.weight);
            layer.bias = graph_.add_parameter(merged.bias);
        } else {
            layer.gamma = reuse(norm.inputs[1]), layer.beta = reuse(norm.inputs[2]);
            layer.mean = reuse(norm.inputs[3]), layer.var = reuse(norm.inputs[4]);
            layer.weight = reuse(conv.inputs[1]);
            if (conv.inputs.size() > 2) layer.bias = reuse(conv.inputs[2]);
        }
        layer.quantize_weight = [&](int w, const std::vector<int>& bias) {
            return quantized_weight(conv, conv_id, w, layer.x, bias);
        };
        layer.quantize_biased = [&](int bias, int w) {
            return quantized_bias(conv.name, bias, w, layer.x);
        };
        layer.inference = layer_attributes(conv, id);
        const bool training = phase_ == Phase::training;
        return (training ? fold_for_training : fold_for_inference)(graph_, folding_, layer);
    }

    // Both phases share the merged parameters.
    const MergedLayer& merged_of(const Node& conv, const Node& norm) {
        for (const MergedLayer& layer : merged_) {
            if (layer.bias->name == merged_bias_name(conv.name)) return layer;
        }
        merged_.push_back(merged_layer(network_, conv, norm));
        return merged_.back();
    }

    const Graph& network_;
    const Hardware& hardware_;
    const Placement place_;
    const Folding folding_;
    QuantizerPool& pool_;
    std::vector<MergedLayer>& merged_;
    const Phase phase_;
    Graph graph_;
    std::vector<int> map_;
};

// Every node must have an integer rule.
void refuse_float_nodes(const Graph& network, const Hardware& hardware) {
    const std::set<std::string> known{"conv2d", "linear",     "relu",    "relu6",  "add",
                                      "concat", "max_pool2d", "flatten", "dropout"};
    for (const Node& node : network.nodes()) {
        if (node.kind != NodeKind::op || known.count(node.op)) continue;
        if (average_rule(hardware, node.op) != PoolRule::none) continue;
        const bool folds = node.op == "batch_norm" && network.node(node.inputs[0]).op == "conv2d" &&
                           following_batch_norm(network, node.inputs[0]) >= 0;
        check_kind(folds, ErrorKind::usage, node.name, ": ", hardware.name,
                   " is integer throughout and has no rule for ", node.op,
                   node.op == "batch_norm" ? " that does not fold into a convolution" : "",
                   "; take --hardware academic, which computes it in float");
    }
}

// A library that divides every window by all its pixels cannot average without counting padding.
void refuse_uncounted_padding(const Graph& network, const Hardware& hardware) {
    for (const Node& node : network.nodes()) {
        if (node.op != "average_pool2d") continue;
        const PoolAttrs a = pool_attrs(node.attributes);
        const bool padded = a.pad_top || a.pad_left || a.pad_bottom || a.pad_right;
        check_kind(
            a.count_include_pad || !padded, ErrorKind::usage, node.name, ": ", hardware.name,
            " counts padding in every average and the layer leaves it out; count it, or take "
            "another --hardware");
    }
}

void refuse_impossible(const Graph& network, const Recipe& recipe, const Hardware& hardware) {
    check_folding(recipe.bn_fold.value_or(hardware.bn_fold), hardware);
    check_accumulator(hardware, recipe.accumulator);
    const auto bits_ok = [](int bits) { return bits >= 2 && bits <= 8; };
    check_kind(bits_ok(recipe.weight_bits) && bits_ok(recipe.activation_bits), ErrorKind::usage,
               "bits out of range: weights ", recipe.weight_bits, ", activations ",
               recipe.activation_bits, "; quantizers have 2 to 8");
    bool weighted = false;
    for (const Node& node : network.nodes()) weighted = weighted || is_weighted(node);
    check_kind(weighted, ErrorKind::usage, "nothing to quantize: no convolution, no linear layer");
    if (hardware.integer_throughout()) refuse_float_nodes(network, hardware);
    if (hardware.always_counts_padding) refuse_uncounted_padding(network, hardware);
}

// The convolutions with one filter for each channel.
std::set<std::string> depthwise_layers(const Graph& network) {
    std::set<std::string> names;
    for (const Node& node : network.nodes()) {
        if (node.op != "conv2d") continue;
        const Shape& w = network.node(node.inputs[1]).parameter->value.shape();
        const bool alone = w[3] == 1 && conv2d_attrs(node.attributes).groups == w[0];
        if (alone) names.insert(node.name);
    }
    return names;
}

// Sets the policy on every layer that sums codes, in both graphs alike, but for those of `exact`.
void set_accumulators(Graph& graph, AccumulatorPolicy policy, const std::set<std::string>& exact) {
    if (policy == AccumulatorPolicy::exact) return;
    for (int id = 0; id < static_cast<int>(graph.nodes().size()); ++id) {
        Node& node = graph.node(id);
        if (!is_weighted(node) || graph.node(node.inputs[1]).op != "quantize") continue;
        if (exact.count(node.name)) continue;
        node.attributes.set("accumulator_policy", accumulator_name(policy));
    }
}

// True if a quantizer has several nodes, as the inputs of a concat.
bool shares_grids(const QuantizedModel& model) {
    std::set<const NodePayload*> seen;
    for (const Node& node : model.inference.nodes()) {
        if (node.op == "quantize" && !seen.insert(node.payload.get()).second) return true;
    }
    return false;
}

}  // namespace

int64_t QuantizedModel::activation_quantizers() const {
    int64_t count = 0;
    for (const auto& quantizer : quantizers) count += quantizer->role == Role::activation;
    return count;
}

QuantizedModel quantize(const Graph& network, const Recipe& recipe) {
    QuantizedModel model;
    model.recipe = recipe;
    model.hardware = &find_hardware(recipe.hardware);
    refuse_impossible(network, recipe, *model.hardware);
    QuantizerPool pool(model.recipe, *model.hardware);
    const auto exact_layers =
        model.hardware->exact_depthwise ? depthwise_layers(network) : std::set<std::string>{};
    const auto rewritten = [&](Phase phase) {
        Graph graph =
            Rewriter(network, *model.hardware, model.folding(), pool, model.merged, phase).run();
        set_accumulators(graph, recipe.accumulator, exact_layers);
        return graph;
    };
    model.training = rewritten(Phase::training);
    model.inference = rewritten(Phase::inference);
    model.quantizers = pool.all();
    return model;
}

Folding QuantizedModel::folding() const {
    return static_cast<Folding>(recipe.bn_fold.value_or(hardware->bn_fold));
}

std::string QuantizedModel::not_deployable() const {
    for (const auto& quantizer : quantizers) {
        const Algorithm& row = *quantizer->algorithm;
        if (row.not_deployable) return join(row.name, ": ", row.not_deployable);
    }
    return "";
}

SimulateAs::SimulateAs(const QuantizedModel& model, Simulate simulate) : model_(model) {
    for (const auto& quantizer : model.quantizers) quantizer->simulate = simulate;
}

SimulateAs::~SimulateAs() {
    for (const auto& quantizer : model_.quantizers) quantizer->simulate = model_.recipe.simulate;
}

void merge_batch_norm(QuantizedModel& model) {
    for (const MergedLayer& layer : model.merged) layer.merge();
}

// A shared grid may change while a batch passes, so codes made earlier no longer fit later ones;
// the values are then simulated as floats.
void calibrate(QuantizedModel& model, const BatchSource& next) {
    merge_batch_norm(model);
    const SimulateAs mode(model, shares_grids(model) ? Simulate::qdq : model.recipe.simulate);
    for (const auto& quantizer : model.quantizers) {
        quantizer->observing = true;
        quantizer->seen.reset();
    }
    for (Tensor images = next(); images.defined(); images = next()) {
        execute(model.inference, images, RunMode{});
    }
    for (const auto& quantizer : model.quantizers) {
        quantizer->observing = false;
        quantizer->seen.reset();
    }
}

void calibrate(QuantizedModel& model, const Tensor& images) {
    bool given = false;
    calibrate(model, [&] {
        const Tensor batch = given ? Tensor() : images;
        given = true;
        return batch;
    });
}

void refuse_reestimation(const QuantizedModel& model) {
    const bool keeps = model.folding() == Folding::merge || model.folding() == Folding::freeze;
    check_kind(
        !keeps, ErrorKind::usage, "batch-norm folding ", static_cast<int>(model.folding()),
        " trains without batch statistics, so --reestimate-bn has none to average; drop it or ",
        "choose another --bn-fold");
}

// Momentum 1/k turns the average of k - 1 batches into that of k. The ranges are held, so that all
// batches and the later evaluation are quantized alike. Skips later batches of one image: one value
// per channel has no variance.
void reestimate_batch_norm(QuantizedModel& model, const BatchSource& next) {
    refuse_reestimation(model);
    Graph graph = model.training;
    for (const auto& quantizer : model.quantizers) quantizer->holding = true;
    int64_t count = 0;
    for (Tensor images = next(); images.defined(); images = next()) {
        if (count > 0 && images.shape()[0] == 1) continue;
        ++count;
        for (int id = 0; id < static_cast<int>(graph.nodes().size()); ++id) {
            Node& node = graph.node(id);
            if (node.attributes.has("momentum")) {
                node.attributes.set("momentum", 1.0 / static_cast<double>(count));
            }
        }
        execute(graph, images, RunMode{true});
    }
    for (const auto& quantizer : model.quantizers) quantizer->holding = false;
}

}  // namespace gradus
