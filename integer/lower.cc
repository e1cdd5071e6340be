#include "integer/lower.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "integer/accumulators.h"
#include "integer/rule_constants.h"
#include "nn/executor.h"
#include "quant/requantize_exact.h"

namespace gradus {

namespace {

// The lowered form of a graph node: a register, or an instruction that waits for its quantizer.
struct Lowered {
    int reg = -1;
    std::optional<Grid> grid;  // of codes
    std::optional<Instruction> pending;
    std::vector<Grid> operands;  // of a pending sum, average or rescaling; a fused shortcut
    Tensor input_scale, weight_scale, bias;  // of a pending convolution
    float lower = -INFINITY, upper = INFINITY;
};

class Lowering {
  public:
    explicit Lowering(const QuantizedModel& model) : model_(model), graph_(model.inference) {
        execute_constants(graph_, [&](const Node& node, const Variable& value) {
            constants_[node.name] = value;
        });
        program_.hardware = model.hardware->name;
        program_.sample_shape = graph_.sample_shape();
    }

    Program run() {
        values_.resize(graph_.nodes().size());
        for (size_t id = 0; id < values_.size(); ++id) {
            const Node& node = graph_.node(static_cast<int>(id));
            if (node.kind == NodeKind::input) {
                values_[id].reg = 0;
            } else if (!is_constant(node)) {
                values_[id] = lower_node(node);
            }
        }
        program_.output = finished(graph_.node(graph_.output()), values_[graph_.output()]).reg;
        return std::move(program_);
    }

  private:
    bool is_constant(const Node& node) const { return constants_.count(node.name) > 0; }
    // Adds a bias as a constant too: it depends only on its layer's input grid.
    const Variable& constant(int id) const { return constants_.at(graph_.node(id).name); }

    Lowered lower_node(const Node& node) {
        if (node.op == "quantize") return quantized(node);
        if (node.op == "requantize_average") return averaged(node);
        Lowered& x = values_[node.inputs[0]];
        if ((node.op == "conv2d" || node.op == "linear") && x.grid) return weighted(node, x);
        if (node.op == "relu" || node.op == "relu6") {
            if (x.pending) return clamped(node, x);
            if (x.grid && model_.hardware->integer_throughout()) return clamped(node, rescaled(x));
        }
        if (node.op == "add") {
            const Lowered& b = values_[node.inputs[1]];
            if (x.grid && b.grid) return sum(node);
            if (x.pending && b.grid) return fused_sum(x, b);
            if (x.grid && b.pending) return fused_sum(b, x);
        }
        if (node.op == "concat" && x.grid) return joined(node);
        if (x.grid && average_rule(*model_.hardware, node.op) != PoolRule::none) {
            return average(node, x);
        }
        if ((node.op == "max_pool2d" || node.op == "flatten") && x.grid) return passed(node, x);
        if (node.op == "dropout") return x;
        return float_node(node);
    }

    int push(Instruction instruction) {
        instruction.output = program_.registers++;
        program_.instructions.push_back(std::move(instruction));
        return program_.registers - 1;
    }

    static Instruction named(const Node& node, std::vector<int> inputs) {
        Instruction instruction;
        instruction.name = node.name;
        instruction.op = node.op;
        instruction.inputs = std::move(inputs);
        instruction.attributes = node.attributes;
        return instruction;
    }

    static int32_t zero_of(const Grid& grid) { return grid.zero_point.data<int32_t>()[0]; }
    static float scale_of(const Grid& grid) { return grid.scale.data<float>()[0]; }

    const Lowered& finished(const Node& node, const Lowered& value) const {
        check(!value.pending, "lower: ", node.name, " needs a quantizer after it on ",
              program_.hardware);
        return value;
    }

    Lowered weighted(const Node& node, const Lowered& x) {
        const Affine& w = constant(node.inputs[1]).exact()->terms[0];
        Lowered result;
        result.input_scale = x.grid->scale;
        result.weight_scale = w.scale;
        Instruction instruction = named(node, {x.reg});
        instruction.attributes.set("input_zero_point", int64_t{zero_of(*x.grid)});
        instruction.constants["weight"] = w.codes;
        if (has_zero_points(w)) instruction.constants["weight_zero_point"] = w.zero_point;
        program_.weight_bits[node.name] = weight_bits(node);
        if (node.inputs.size() > 2) {
            const Variable& bias = constant(node.inputs[2]);
            if (bias.exact()) instruction.constants["bias"] = bias.exact()->terms[0].codes;
            if (!bias.exact()) result.bias = bias.data();
        }
        if (node.attributes.has("accumulator")) {
            result.pending = std::move(instruction);
            return result;
        }
        instruction.constants["scale"] = product(*x.grid, w);
        if (result.bias.defined()) instruction.constants["real_bias"] = result.bias;
        result.reg = push(std::move(instruction));
        return result;
    }

    static bool has_zero_points(const Affine& w) {
        const int32_t* z = w.zero_point.data<int32_t>();
        return std::any_of(z, z + w.zero_point.numel(), [](int32_t zero) { return zero != 0; });
    }

    // f32(s_x s_w[o]), for every filter.
    static Tensor product(const Grid& x, const Affine& w) {
        Tensor scale = Tensor::empty({w.shape()[0]});
        for (int64_t c = 0; c < scale.numel(); ++c) {
            scale.data<float>()[c] =
                scale_of(x) * w.scale.data<float>()[w.scale.numel() == 1 ? 0 : c];
        }
        return scale;
    }

    int64_t weight_bits(const Node& node) const {
        const auto& payload = graph_.node(node.inputs[1]).payload;
        return dynamic_cast<const Quantizer&>(*payload).format.bits;
    }

    static Lowered clamped(const Node& node, Lowered x) {
        x.lower = std::fmax(x.lower, 0.0f);
        if (node.op == "relu6") x.upper = std::fmin(x.upper, 6.0f);
        return x;
    }

    Lowered sum(const Node& node) {
        const Lowered& a = values_[node.inputs[0]];
        const Lowered& b = values_[node.inputs[1]];
        Lowered result;
        result.pending = named(node, {a.reg, b.reg});
        result.operands = {*a.grid, *b.grid};
        return result;
    }

    // Adds the shortcut before the convolution's accumulators are rounded (TensorRT).
    Lowered fused_sum(Lowered convolution, const Lowered& shortcut) {
        check(convolution.operands.empty() && !std::isfinite(convolution.lower) &&
                  !std::isfinite(convolution.upper),
              "lower: ", convolution.pending->name, " cannot take a shortcut in");
        convolution.pending->inputs.push_back(shortcut.reg);
        convolution.operands = {*shortcut.grid};
        return convolution;
    }

    // Codes that will be rescaled to another grid.
    static Lowered rescaled(const Lowered& x) {
        Lowered result;
        result.pending = Instruction{};
        result.pending->op = "requantize";
        result.pending->inputs = {x.reg};
        result.pending->attributes.set("input_zero_point", int64_t{zero_of(*x.grid)});
        result.input_scale = x.grid->scale;
        result.weight_scale = Tensor::full({1}, 1.0f);
        return result;
    }

    Lowered joined(const Node& node) {
        std::vector<int> registers;
        for (int id : node.inputs) registers.push_back(finished(node, values_[id]).reg);
        Lowered result;
        result.grid = values_[node.inputs[0]].grid;
        result.reg = push(named(node, registers));
        return result;
    }

    Lowered average(const Node& node, const Lowered& x) {
        Lowered result;
        result.pending = named(node, {x.reg});
        result.operands = {*x.grid};
        return result;
    }

    Lowered passed(const Node& node, const Lowered& x) {
        Lowered result;
        result.grid = x.grid;
        result.reg = push(named(node, {finished(node, x).reg}));
        return result;
    }

    Lowered quantized(const Node& node) {
        const auto& q = dynamic_cast<const Quantizer&>(*node.payload);
        const Grid grid = q.grid();
        Lowered x = values_[node.inputs[0]];
        if (x.grid && model_.hardware->requantize != RequantizeRule::none) x = rescaled(x);
        Instruction instruction = x.pending ? *x.pending : named(node, {x.reg});
        if (instruction.name.empty()) instruction.name = node.name;
        instruction.quantizer = node.name;
        Lowered result;
        result.grid = grid;
        if (!x.pending) {
            instruction.constants["scale"] = grid.scale.clone();
            set_grid(instruction, q, grid, bounds_of(grid, q.format));
        } else {
            set_grid(instruction, q, grid,
                     clamp_bounds(*model_.hardware, x.lower, x.upper, grid, q.format));
            set_rule(instruction, x, grid, q.format);
        }
        result.reg = push(std::move(instruction));
        return result;
    }

    static void set_grid(Instruction& instruction, const Quantizer& q, const Grid& grid,
                         CodeBounds bounds) {
        instruction.attributes.set("zero_point", int64_t{zero_of(grid)});
        instruction.attributes.set("qmin", int64_t{q.format.qmin()});
        instruction.attributes.set("qmax", int64_t{q.format.qmax()});
        instruction.attributes.set("lo", int64_t{bounds.lo});
        instruction.attributes.set("hi", int64_t{bounds.hi});
        instruction.attributes.set("signed", int64_t{q.format.is_signed});
    }

    // Fails if the library itself would refuse the scale.
    static void refuse(const std::string& layer, const std::string& refusal) {
        check(refusal.empty(), "lower: ", layer, ": ", refusal,
              "; see whether a scale has collapsed, take more bits, or a --hardware without this "
              "limit");
    }

    void set_rule(Instruction& instruction, const Lowered& x, const Grid& grid,
                  const QuantFormat& format) const {
        const Hardware& hardware = *model_.hardware;
        if (instruction.op == "add") {
            const CodeGrid a = code_grid(x.operands[0]), b = code_grid(x.operands[1]);
            refuse(instruction.name, add_refusal(hardware.add, a, b, code_grid(grid)));
            instruction.attributes.set("rule", static_cast<int64_t>(hardware.add));
            return store_constants(instruction, add_constants(hardware.add, a, b, code_grid(grid)));
        }
        const auto weight = instruction.constants.find("weight");
        const int64_t channels =
            weight == instruction.constants.end() ? 1 : weight->second.shape()[0];
        const auto k = channel_constants(hardware.requantize, x.input_scale, x.weight_scale, x.bias,
                                         output_grid(grid, format), channels);
        for (const RequantizeConstants& channel : k) {
            refuse(instruction.name, multiplier_refusal(hardware, channel.multiplier));
            refuse(instruction.name,
                   requantize_refusal(hardware.requantize, channel, output_grid(grid, format)));
        }
        store_constants(instruction, hardware.requantize, k);
        if (x.operands.empty()) return;
        const CodeGrid shortcut = code_grid(x.operands[0]);
        instruction.attributes.set("shortcut_zero_point", int64_t{shortcut.zero_point});
        instruction.constants["shortcut_ratio"] =
            Tensor::full({1}, shortcut.scale / scale_of(grid));
    }

    // The multipliers depend on the counts, which are known only when images come.
    Lowered averaged(const Node& node) {
        const auto& q = dynamic_cast<const Quantizer&>(*node.payload);
        const Lowered& x = values_[node.inputs[0]];
        check(x.pending.has_value(), "lower: ", node.name, " averages no codes");
        const Grid& grid = x.operands[0];
        Instruction instruction = *x.pending;
        const PoolRule rule = average_rule(*q.hardware, instruction.op);
        instruction.attributes.set("rule", static_cast<int64_t>(rule));
        set_grid(instruction, q, grid, {q.format.qmin(), q.format.qmax()});
        instruction.constants["scale"] = grid.scale.clone();
        Lowered result;
        result.grid = grid;
        result.reg = push(std::move(instruction));
        return result;
    }

    // An operator of the table on floats, with its parameters as constants.
    Lowered float_node(const Node& node) {
        check(!model_.hardware->integer_throughout(), "lower: ", node.name, " (", node.op,
              ") has no integer rule on ", program_.hardware);
        Instruction instruction = named(node, {});
        instruction.is_float = true;
        for (size_t position = 0; position < node.inputs.size(); ++position) {
            const int id = node.inputs[position];
            if (is_constant(graph_.node(id))) {
                instruction.constants["input" + std::to_string(position)] = constant(id).data();
            } else {
                instruction.inputs.push_back(finished(node, values_[id]).reg);
            }
        }
        Lowered result;
        result.reg = push(std::move(instruction));
        return result;
    }

    const QuantizedModel& model_;
    const Graph& graph_;
    Program program_;
    std::map<std::string, Variable> constants_;
    std::vector<Lowered> values_;
};

}  // namespace

Program lower(const QuantizedModel& model) {
    // The constants of a Program are codes, even if the model is simulated in float.
    const SimulateAs exact(model, Simulate::exact);
    // The last training step may have left a scale that the next forward pass would have corrected.
    for (const auto& quantizer : model.quantizers) {
        if (quantizer->algorithm->project) quantizer->algorithm->project(*quantizer);
    }
    Program program = Lowering(model).run();
    refuse_overflow(program);
    return program;
}

}  // namespace gradus
