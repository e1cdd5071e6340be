#include "quant/ptq/unit_graph.h"

#include "quant/ptq/subgraph.h"
#include "tensor/check.h"

namespace gradus {

namespace {

class UnitBuilder {
  public:
    UnitBuilder(const Graph& inference, Weights weights, const std::set<std::string>& held,
                float keep)
        : weights_(weights), keep_(keep) {
        for (const Node& node : inference.nodes()) {
            const auto quantizer = std::dynamic_pointer_cast<Quantizer>(node.payload);
            if (node.op != "quantize" || quantizer->role != Role::activation) continue;
            if (!held.count(quantizer->name)) learned_.insert(quantizer->name + ".scale");
        }
    }

    UnitGraph build(const Graph& inference, int entry, int exit, const Shape& sample_shape) {
        unit_.graph = subgraph(inference, entry, exit, sample_shape,
                               [this](Graph& out, const Node& node, const std::vector<int>& in) {
                                   return copy(out, node, in);
                               });
        return std::move(unit_);
    }

  private:
    int copy(Graph& out, const Node& node, const std::vector<int>& inputs) {
        if (node.kind == NodeKind::parameter) return parameter(out, node);
        if (node.op != "quantize") return copy_node(out, node, inputs);
        auto quantizer = std::dynamic_pointer_cast<Quantizer>(node.payload);
        if (quantizer->role == Role::weight && weights_ == Weights::learned) {
            return learned_weight(out, node, inputs[0], quantizer);
        }
        auto in_float = std::make_shared<Quantizer>(*quantizer);
        // An algorithm with its own rule (LSQ+'s real offset) keeps the model's way of simulating.
        if (!quantizer->algorithm->codes) in_float->simulate = Simulate::qdq;
        in_float->gradient_scale = 1.0f;
        const int x_hat = out.add_op("quantize", node.name, inputs, node.attributes, in_float);
        if (quantizer->role == Role::weight || keep_ >= 1.0f) return x_hat;
        return out.add_op("drop_rounding", node.name + ".dropped", {inputs[0], x_hat},
                          {{"keep", double{keep_}}});
    }

    // Shares the storage, but not the flags.
    int parameter(Graph& out, const Node& node) {
        auto own = std::make_shared<Parameter>(*node.parameter);
        own->trainable = own->trainable && learned_.count(own->name) > 0;
        own->decay = false;
        if (own->trainable) unit_.scales.push_back(own);
        return out.add_parameter(own);
    }

    int learned_weight(Graph& out, const Node& node, int w,
                       const std::shared_ptr<Quantizer>& quantizer) {
        Rounding rounding;
        rounding.quantizer = quantizer;
        rounding.folded = out.node(w).name;
        const Node& source = out.node(w);
        const bool folded = source.op == "multiply_axis";
        check(folded || source.kind == NodeKind::parameter, node.name, ": a weight after ",
              source.op, " cannot be reconstructed");
        if (folded) rounding.factor = out.node(source.inputs[1]).name;
        rounding.weight = folded ? out.node(source.inputs[0]).parameter : source.parameter;
        rounding.v = std::make_shared<Parameter>();
        rounding.v->name = node.name + ".rounding";
        rounding.v->value = Tensor::zeros(rounding.weight->value.shape());
        rounding.v->decay = false;
        unit_.roundings.push_back(rounding);
        const int v = out.add_parameter(rounding.v);
        return out.add_op("soft_round", node.name, {w, v}, {}, quantizer);
    }

    const Weights weights_;
    const float keep_;
    std::set<std::string> learned_;  // names of scales
    UnitGraph unit_;
};

}  // namespace

UnitGraph unit_graph(const Graph& inference, int entry, int exit, const Shape& sample_shape,
                     Weights weights, const std::set<std::string>& held, float keep) {
    return UnitBuilder(inference, weights, held, keep).build(inference, entry, exit, sample_shape);
}

}  // namespace gradus
