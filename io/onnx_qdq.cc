#include "io/onnx_qdq.h"

#include <map>

#include "io/onnx_nodes.h"
#include "io/weight_layout.h"
#include "nn/executor.h"
#include "nn/node_attributes.h"
#include "quant/quantizer.h"
#include "quant/requantize_exact.h"

namespace gradus {

namespace {

const Quantizer* quantizer_of(const Node& node) {
    return dynamic_cast<const Quantizer*>(node.payload.get());
}

class NetworkWriter {
  public:
    NetworkWriter(OnnxFile& file, const Graph& graph, const OnnxTarget& target)
        : file_(file), graph_(graph), target_(target), values_(graph.nodes().size()) {
        execute_constants(graph_, [&](const Node& node, const Variable& value) {
            constants_[node.name] = value;
        });
    }

    void write() {
        for (size_t id = 0; id < values_.size(); ++id) {
            const Node& node = graph_.node(static_cast<int>(id));
            if (!constants_.count(node.name)) values_[id] = write_node(node);
        }
        file_.set_output(values_[graph_.output()].name, {-1, classes()});
    }

  private:
    // A tensor of the file; if a DequantizeLinear made it, also the codes that it reads.
    struct Value {
        std::string name;
        const Quantizer* grid = nullptr;
        bool relu6_in_codes = false;  // its quantizers do the clipping
    };

    Value write_node(const Node& node) {
        if (node.kind == NodeKind::input) return input(node);
        const bool rounds = node.op == "quantize" || node.op == "requantize_average";
        if (rounds && target_.no_quantizers) return value(node);
        if (node.op == "quantize") return on_grid(node, node.name, name_of(node));
        if (node.op == "requantize_average") return averaged(node);
        if (node.op == "conv2d") return convolution(node);
        if (node.op == "linear") return linear(node);
        if (node.op == "batch_norm") return batch_norm(node);
        if (node.op == "relu") return plain(node, "Relu");
        if (node.op == "relu6") return relu6(node);
        if (node.op == "add") return plain(node, "Add");
        if (node.op == "concat") return passed(node, concat(node));
        if (node.op == "max_pool2d") return passed(node, pool(node, "MaxPool"));
        if (node.op == "average_pool2d") return pool(node, "AveragePool");
        if (node.op == "global_average_pool") return plain(node, "GlobalAveragePool");
        if (node.op == "flatten") return passed(node, flatten(node));
        if (node.op == "dropout") return values_[node.inputs[0]];
        fail(ErrorKind::usage, "ONNX: ", node.name, " is a ", node.op,
             ", for which no operator is written");
    }

    // Names the graph's output "logits", everything else after its node.
    std::string name_of(const Node& node) const {
        return &node == &graph_.node(graph_.output()) ? "logits" : node.name;
    }
    const Value& value(const Node& node, int position = 0) const {
        return values_[node.inputs.at(position)];
    }
    bool is_one_pixel(int id) const {
        const Node& node = graph_.node(id);
        const bool passes = node.op == "requantize_average" || node.op == "dropout";
        return passes ? is_one_pixel(node.inputs[0]) : node.op == "global_average_pool";
    }

    Value input(const Node& node) {
        const Shape s = graph_.sample_shape();
        file_.set_input(node.name, {-1, s[2], s[0], s[1]});
        return {node.name};
    }

    Value plain(const Node& node, const char* op, const Attributes& attributes = {}) {
        std::vector<std::string> inputs;
        for (size_t k = 0; k < node.inputs.size(); ++k) {
            inputs.push_back(value(node, static_cast<int>(k)).name);
        }
        return {file_.add(op, name_of(node), inputs, attributes)};
    }

    bool only_quantized(const Node& node) const {
        for (const Node& other : graph_.nodes()) {
            for (const int id : other.inputs) {
                if (&graph_.node(id) == &node && other.op != "quantize") return false;
            }
        }
        return &node != &graph_.node(graph_.output());
    }

    // A float Clip that ends below its quantizer's range keeps onnxruntime from fusing the
    // convolution before both.
    Value relu6(const Node& node) {
        if (target_.clips_codes && only_quantized(node)) return {value(node).name, nullptr, true};
        return {file_.add("Clip", name_of(node),
                          {value(node).name, file_.scalar("zero", 0), file_.scalar("six", 6)})};
    }

    Value concat(const Node& node) { return plain(node, "Concat", {{"axis", int64_t{1}}}); }

    Value pool(const Node& node, const char* op) {
        Attributes attributes = onnx_pool_attributes(node.attributes);
        if (node.op == "average_pool2d") {
            attributes.set("count_include_pad", node.attributes.integer("count_include_pad"));
        }
        return plain(node, op, attributes);
    }

    Value flatten(const Node& node) {
        return {
            write_flatten(file_, value(node).name, name_of(node), is_one_pixel(node.inputs[0]))};
    }

    // Puts an operator that passes codes on between two pairs with the same grid, so that runtimes
    // recognise that it can work on codes.
    Value passed(const Node& node, const Value& y) {
        const Quantizer* q = value(node).grid;
        if (!q) return y;
        const std::string name = node.name + ".quantizer";
        return pair(y.name, *q, name, name, bounds_of(q->grid(), q->format));
    }

    Value averaged(const Node& node) {
        const std::string name = graph_.node(node.inputs[0]).name + ".quantizer";
        return on_grid(node, name, name_of(node));
    }

    Value batch_norm(const Node& node) {
        std::vector<std::string> inputs{value(node).name};
        for (size_t k = 1; k < node.inputs.size(); ++k) {
            const Node& parameter = graph_.node(node.inputs[k]);
            inputs.push_back(file_.constant(parameter.name, constants_.at(parameter.name).data()));
        }
        return {file_.add("BatchNormalization", name_of(node), inputs,
                          {{"epsilon", node.attributes.real("eps")}})};
    }

    Value convolution(const Node& node) {
        const Shape filters = constants_.at(graph_.node(node.inputs[1]).name).shape();
        return {file_.add("Conv", name_of(node), weighted_inputs(node),
                          onnx_conv_attributes(node.attributes, filters))};
    }

    Value linear(const Node& node) {
        return {file_.add("Gemm", name_of(node), weighted_inputs(node), {{"transB", int64_t{1}}})};
    }

    std::vector<std::string> weighted_inputs(const Node& node) {
        std::vector<std::string> inputs{value(node).name, weight(node)};
        if (node.inputs.size() > 2) inputs.push_back(bias(node));
        return inputs;
    }

    std::string weight(const Node& node) {
        const Node& w = graph_.node(node.inputs[1]);
        const Variable& value = constants_.at(w.name);
        const Quantizer* q = w.op == "quantize" ? quantizer_of(w) : nullptr;
        const std::string name = node.name + ".weight";
        if (!q || target_.no_quantizers) {
            return file_.constant(name, filters_to_file(value.data()));
        }
        const Affine& codes = value.exact()->terms[0];
        if (target_.int_quant) {
            const std::string floats = file_.constant(name, filters_to_file(value.data()));
            return int_quant(floats, value.shape().rank(), *q, codes.scale, codes.zero_point,
                             w.name);
        }
        return dequantized_weight(name, *q, codes, w.name);
    }

    std::string dequantized_weight(const std::string& name, const Quantizer& q, const Affine& w,
                                   const std::string& output) {
        const Tensor codes = filters_to_file(w.codes);
        const bool int4 = target_.int4_weights && q.format.bits == 4;
        const Shape shape = w.scale.numel() == 1 ? Shape{} : w.scale.shape();
        const Tensor zero_point = as_codes(w.zero_point, codes.dtype(), shape);
        const auto write = [&](const std::string& tensor, const Tensor& integers) {
            return int4 ? file_.int4_constant(tensor, integers) : file_.constant(tensor, integers);
        };
        return file_.add(
            "DequantizeLinear", output,
            {write(name, codes), file_.constant(output + ".scale", w.scale.reshape(shape)),
             write(output + ".zero_point", zero_point)},
            {{"axis", int64_t{0}}});
    }

    // An int32 bias has no zero point and the accumulator's scale.
    std::string bias(const Node& node) {
        const Variable& value = constants_.at(graph_.node(node.inputs[2]).name);
        const std::string name = node.name + ".bias";
        if (!value.exact() || !target_.int32_bias) return file_.constant(name, value.data());
        const Affine& codes = value.exact()->terms[0];
        return file_.add(
            "DequantizeLinear", name + ".dequantized",
            {file_.constant(name, codes.codes), file_.constant(name + ".scale", codes.scale)},
            {{"axis", int64_t{0}}});
    }

    Value on_grid(const Node& node, const std::string& name, const std::string& output) {
        const Quantizer& q = *quantizer_of(node);
        const Value& x = value(node);
        const Grid grid = q.grid();
        if (target_.int_quant) {
            return {int_quant(x.name, 0, q, grid.scale, grid.zero_point, output)};
        }
        const CodeBounds bounds = x.relu6_in_codes
                                      ? clamp_bounds(*q.hardware, 0.0f, 6.0f, grid, q.format)
                                      : bounds_of(grid, q.format);
        return pair(x.name, q, name, output, bounds);
    }

    // QuantizeLinear, Clip if the bounds are narrower than the type, DequantizeLinear.
    Value pair(const std::string& x, const Quantizer& q, const std::string& name,
               const std::string& output, const CodeBounds& bounds) {
        const Grid grid = q.grid();
        const DType type = q.format.code_dtype();
        const GridNames names = write_grid(file_, q.name, grid.scale, grid.zero_point, type);
        const bool clip = clips(bounds, type);
        std::string codes = file_.add("QuantizeLinear", name + (clip ? ".unclipped" : ".codes"),
                                      {x, names.scale, names.zero_point});
        if (clip) codes = write_clip(file_, codes, name + ".codes", bounds, type);
        return {file_.add("DequantizeLinear", output, {codes, names.scale, names.zero_point}), &q};
    }

    // Gives the grid the rank of x: for filters [O, 1, 1, 1].
    std::string int_quant(const std::string& x, int rank, const Quantizer& q, const Tensor& scale,
                          const Tensor& zero_point, const std::string& output) {
        std::vector<int64_t> extents;
        if (scale.numel() > 1) extents.assign(rank, 1), extents[0] = scale.numel();
        Tensor zero = Tensor::empty(Shape(extents));
        for (int64_t c = 0; c < zero.numel(); ++c) {
            const int64_t from = zero_point.numel() == 1 ? 0 : c;
            zero.data<float>()[c] = static_cast<float>(zero_point.data<int32_t>()[from]);
        }
        return file_.add("IntQuant", output,
                         {x, file_.constant(q.name + ".scale", scale.reshape(zero.shape())),
                          file_.constant(q.name + ".zero_point", zero),
                          file_.scalar(q.name + ".bits", static_cast<float>(q.format.bits))},
                         {{"signed", int64_t{q.format.is_signed}},
                          {"narrow", int64_t{q.format.narrow}},
                          {"rounding_mode", std::string("ROUND")}},
                         kQonnxDomain);
    }

    // The number of classes of the logits' layer; -1 if the last node is not linear.
    int64_t classes() const {
        const Node& last = graph_.node(graph_.output());
        return last.op == "linear" ? constants_.at(graph_.node(last.inputs[1]).name).shape()[0]
                                   : -1;
    }

    OnnxFile& file_;
    const Graph& graph_;
    const OnnxTarget& target_;
    std::map<std::string, Variable> constants_;
    std::vector<Value> values_;
};

}  // namespace

void write_qdq(OnnxFile& file, const Graph& graph, const OnnxTarget& target) {
    NetworkWriter(file, graph, target).write();
}

}  // namespace gradus
