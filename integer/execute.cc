#include "integer/execute.h"

#include <algorithm>
#include <vector>

#include "integer/rule_constants.h"
#include "nn/node_attributes.h"
#include "nn/operators.h"
#include "quant/window_averages.h"
#include "tensor/affine.h"
#include "tensor/kernels/global_average_pool.h"
#include "tensor/kernels/max_pool.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

// The output grid's zero point and bounds, from an instruction's attributes.
struct Output {
    int32_t zero, qmin, qmax, lo, hi;
    DType dtype;

    explicit Output(const Instruction& i)
        : zero(static_cast<int32_t>(i.attributes.integer("zero_point"))),
          qmin(static_cast<int32_t>(i.attributes.integer("qmin"))),
          qmax(static_cast<int32_t>(i.attributes.integer("qmax"))),
          lo(static_cast<int32_t>(i.attributes.integer("lo"))),
          hi(static_cast<int32_t>(i.attributes.integer("hi"))),
          dtype(i.attributes.integer("signed") ? DType::I8 : DType::U8) {}

    // The scale stays 0: rules have it in their constants.
    OutputGrid grid() const { return {0.0f, zero, qmin, qmax}; }
};

// Stores integer codes of either signedness in a byte.
struct CodeWriter {
    uint8_t* bytes;
    explicit CodeWriter(Tensor& codes) : bytes(static_cast<uint8_t*>(codes.raw())) {}
    void operator()(int64_t i, int32_t q) const { bytes[i] = static_cast<uint8_t>(q); }
};

const Tensor& constant(const Instruction& i, const char* name) {
    const auto found = i.constants.find(name);
    const bool there = found != i.constants.end() && found->second.numel() > 0;
    check_kind(there, ErrorKind::data, "program: ", i.name, " has no ", name);
    return found->second;
}

// Programs and bundles come from files, which may have been changed.
void check_values(const Instruction& i, const char* what, int64_t found, int64_t needed) {
    check_kind(found == needed, ErrorKind::data, "program: ", i.name, ": ", what, " has ", found,
               " values, not ", needed);
}

class Machine {
  public:
    Machine(int registers, IntegerKernel kernel, const ObserveAccumulators& accumulators)
        : kernel_(kernel), registers_(registers), accumulators_(accumulators) {}

    Tensor& reg(int index) { return registers_.at(index); }

    std::vector<Tensor> inputs(const Instruction& i) const {
        std::vector<Tensor> read;
        for (int input : i.inputs) read.push_back(registers_.at(input));
        return read;
    }

    // Applies the steps after the accumulators; for an average these are sums of `counts` codes
    // each.
    Tensor from(const Instruction& i, const Tensor& accumulators, const Tensor& counts) {
        if (counts.defined()) return averages(i, accumulators, counts.to_vector<int32_t>());
        const int64_t rows = accumulators.numel() / accumulators.shape()[-1];
        return finished(i, accumulators.shape(), [&](const AccumulatorEpilogue& epilogue) {
            epilogue(0, rows, accumulators.data<int32_t>());
        });
    }

    Tensor run(const Instruction& i) {
        if (i.is_float) return float_operator(i);
        if (i.op == "quantize") return quantize(i);
        if (i.op == "conv2d") return convolution(i, false);
        if (i.op == "linear") return convolution(i, true);
        if (i.op == "requantize") return rescale(i);
        if (i.op == "add") return sum(i);
        if (i.op == "concat") return join_channels(i);
        if (i.op == "max_pool2d") return max_pool(i);
        if (i.op == "average_pool2d") return average_windows(i);
        if (i.op == "global_average_pool") return average_pool(i);
        if (i.op == "flatten") return flatten(i);
        fail(ErrorKind::data, "program: unknown instruction ", i.op, " (", i.name, ")");
    }

  private:
    const Tensor& input(const Instruction& i, int position = 0) {
        return registers_.at(i.inputs.at(position));
    }

    Tensor quantize(const Instruction& i) {
        const Tensor& x = input(i);
        const Output out(i);
        const float scale = constant(i, "scale").data<float>()[0];
        Tensor codes = Tensor::empty(x.shape(), out.dtype);
        const float* values = x.data<float>();
        for_each_cpu(x.numel(), [&, write = CodeWriter(codes)](int64_t k) {
            write(k, quantize_value(values[k], scale, out.zero, out.lo, out.hi));
        });
        return codes;
    }

    // Linear is a 1x1 convolution on [N, 1, 1, C].
    Tensor convolution(const Instruction& i, bool is_linear) {
        Tensor x = input(i);
        Tensor w = constant(i, "weight");
        if (is_linear) {
            x = x.reshape({x.shape()[0], 1, 1, x.shape()[1]});
            w = w.reshape({w.shape()[0], 1, 1, w.shape()[1]});
        }
        const Conv2dAttrs attrs = is_linear ? Conv2dAttrs{} : conv2d_attrs(i.attributes);
        ConvCodes conv{};
        conv.x = x.raw();
        conv.x_signed = x.dtype() == DType::I8;
        conv.x_zero_point = static_cast<int32_t>(i.attributes.integer("input_zero_point"));
        conv.w = w.raw();
        conv.w_signed = w.dtype() == DType::I8;
        conv.bias = optional<int32_t>(i, "bias", w.shape()[0]);
        const std::vector<int32_t> zero_points = weight_zero_points(i, w.shape()[0]);
        conv.w_zero_point = zero_points.empty() ? nullptr : zero_points.data();
        conv.policy = accumulator_policy(i.attributes);
        conv.shape = conv2d_shape(i.name.c_str(), x.shape(), w.shape(), attrs);
        const Shape shape = is_linear ? Shape{x.shape()[0], w.shape()[0]} : conv.shape.output();
        return finished(i, shape, [&](const AccumulatorEpilogue& epilogue) {
            convolve(i, conv, shape, epilogue);
        });
    }

    // Computes accumulators and passes them to the epilogue.
    using Sums = std::function<void(const AccumulatorEpilogue&)>;

    // Gives codes, or floats if no quantizer follows.
    Tensor finished(const Instruction& i, const Shape& shape, const Sums& sums) {
        if (i.constants.count("scale")) return real(i, shape, sums);
        return i.inputs.size() > 1 ? fused_sum(i, shape, sums) : requantized(i, shape, sums);
    }

    // A constant for each channel; nullptr if there is none.
    template <class T>
    static const T* optional(const Instruction& i, const char* name, int64_t channels) {
        const auto found = i.constants.find(name);
        if (found == i.constants.end()) return nullptr;
        check_values(i, name, found->second.numel(), channels);
        return found->second.data<T>();
    }

    // One for each filter; empty if all are 0.
    static std::vector<int32_t> weight_zero_points(const Instruction& i, int64_t filters) {
        const auto found = i.constants.find("weight_zero_point");
        if (found == i.constants.end()) return {};
        const int64_t count = found->second.numel();
        if (count != 1) check_values(i, "weight_zero_point", count, filters);
        std::vector<int32_t> zero_points = found->second.to_vector<int32_t>();
        zero_points.resize(filters, zero_points[0]);
        return zero_points;
    }

    Tensor requantized(const Instruction& i, const Shape& shape, const Sums& sums) {
        const Output out(i);
        const OutputGrid grid = out.grid();
        const auto rule = rule_of<RequantizeRule>(i);
        const auto k = load_constants(i, shape[-1]);
        return for_each_accumulator(shape, out.dtype, sums, [&](int64_t, int64_t c, int32_t acc) {
            return requantize_value(rule, acc, k[c], grid, out.lo, out.hi);
        });
    }

    // The shortcut is added before the accumulators are rounded.
    Tensor fused_sum(const Instruction& i, const Shape& shape, const Sums& sums) {
        const Output out(i);
        const auto k = load_constants(i, shape[-1]);
        const float ratio = constant(i, "shortcut_ratio").data<float>()[0];
        const auto z = static_cast<int32_t>(i.attributes.integer("shortcut_zero_point"));
        const CodeReader q(input(i, 1));
        check_values(i, "the shortcut", input(i, 1).numel(), shape.numel());
        return for_each_accumulator(shape, out.dtype, sums, [&](int64_t e, int64_t c, int32_t acc) {
            return add_to_accumulator(acc, k[c].multiplier, k[c].bias, q[e], z, ratio, out.zero,
                                      out.lo, out.hi);
        });
    }

    // f(element, channel, accumulator) gives the code of an element.
    template <class F>
    static Tensor for_each_accumulator(const Shape& shape, DType dtype, const Sums& sums,
                                       const F& f) {
        const int64_t channels = shape[-1];
        Tensor codes = Tensor::empty(shape, dtype);
        const CodeWriter write(codes);
        sums([&](int64_t row, int64_t rows, const int32_t* acc) {
            for (int64_t r = 0; r < rows; ++r) {
                for (int64_t c = 0; c < channels; ++c) {
                    const int64_t e = (row + r) * channels + c;
                    write(e, f(e, c, acc[r * channels + c]));
                }
            }
        });
        return codes;
    }

    // Keeps the accumulators only if an observer wants them.
    void convolve(const Instruction& i, const ConvCodes& conv, const Shape& shape,
                  const AccumulatorEpilogue& epilogue) const {
        if (!accumulators_) return conv2d_codes(Device::cpu(), conv, kernel_, epilogue);
        const int64_t channels = conv.shape.o;
        Tensor kept = Tensor::empty(shape, DType::I32);
        conv2d_codes(Device::cpu(), conv, kernel_,
                     [&, to = kept.data<int32_t>()](int64_t row, int64_t rows, const int32_t* acc) {
                         std::copy_n(acc, rows * channels, to + row * channels);
                         epilogue(row, rows, acc);
                     });
        accumulators_(i, kept);
    }

    Tensor rescale(const Instruction& i) {
        const Tensor& x = input(i);
        const Output out(i);
        const OutputGrid grid = out.grid();
        const auto rule = rule_of<RequantizeRule>(i);
        const RequantizeConstants k = load_constants(i, 1)[0];
        const auto z = static_cast<int32_t>(i.attributes.integer("input_zero_point"));
        const CodeReader q(x);
        Tensor codes = Tensor::empty(x.shape(), out.dtype);
        for_each_cpu(x.numel(), [&, write = CodeWriter(codes)](int64_t e) {
            write(e, requantize_value(rule, q[e] - z, k, grid, out.lo, out.hi));
        });
        if (accumulators_) accumulators_(i, centred(q, z, x.shape()));
        return codes;
    }

    static Tensor centred(const CodeReader& q, int32_t z, const Shape& shape) {
        Tensor result = Tensor::empty(shape, DType::I32);
        for (int64_t e = 0; e < shape.numel(); ++e) result.data<int32_t>()[e] = q[e] - z;
        return result;
    }

    Tensor join_channels(const Instruction& i) {
        std::vector<Variable> parts;
        for (size_t position = 0; position < i.inputs.size(); ++position) {
            parts.push_back(
                Variable(Exact{{{input(i, static_cast<int>(position)), Tensor::full({1}, 1.0f),
                                 Tensor::zeros({1}, DType::I32)}}}));
        }
        return concat(parts).exact()->terms[0].codes;
    }

    static Tensor real(const Instruction& i, const Shape& shape, const Sums& sums) {
        const int64_t channels = shape[-1];
        const float* scale = optional<float>(i, "scale", channels);
        const float* bias = optional<float>(i, "real_bias", channels);
        Tensor result = Tensor::empty(shape);
        float* y = result.data<float>();
        sums([=](int64_t row, int64_t rows, const int32_t* acc) {
            for (int64_t r = 0; r < rows; ++r) {
                for (int64_t c = 0; c < channels; ++c) {
                    const float v = affine_value(acc[r * channels + c], 0, scale[c]);
                    y[(row + r) * channels + c] = bias ? v + bias[c] : v;
                }
            }
        });
        return result;
    }

    Tensor sum(const Instruction& i) {
        const Tensor& a = input(i, 0);
        const Tensor& b = input(i, 1);
        const Output out(i);
        const auto rule = rule_of<AddRule>(i);
        const AddConstants k = load_add_constants(i);
        const CodeReader qa(a), qb(b);
        check_values(i, "the second operand", b.numel(), a.numel());
        Tensor codes = Tensor::empty(a.shape(), out.dtype);
        for_each_cpu(a.numel(), [&, write = CodeWriter(codes)](int64_t e) {
            write(e, residual_add_value(rule, qa[e], qb[e], k, out.lo, out.hi));
        });
        return codes;
    }

    Tensor max_pool(const Instruction& i) {
        const Tensor& x = input(i);
        const PoolShape shape = pool_shape(i.name.c_str(), x.shape(), pool_attrs(i.attributes));
        Tensor codes = Tensor::empty(shape.output(), x.dtype());
        max_pool_forward(Device::cpu(), shape, x.dtype(), x.raw(), codes.raw());
        return codes;
    }

    static Tensor averages(const Instruction& i, const Tensor& sums,
                           const std::vector<int32_t>& counts) {
        check_values(i, "count", static_cast<int64_t>(counts.size()), sums.numel());
        const auto bad = [](int32_t n) { return n < 1 || n >= 1 << 22; };
        check_kind(std::none_of(counts.begin(), counts.end(), bad), ErrorKind::data,
                   "program: ", i.name, ": a count is no number of codes");
        const Output out(i);
        const auto rule = rule_of<PoolRule>(i);
        check_kind(rule != PoolRule::float_sum, ErrorKind::data, "program: ", i.name,
                   ": averages floats, of which a sum of codes says too little");
        const float scale = constant(i, "scale").data<float>()[0];
        Tensor codes = Tensor::empty(sums.shape(), out.dtype);
        const CodeWriter write(codes);
        for (int64_t e = 0; e < sums.numel(); ++e) {
            const AverageConstants k = average_constants(rule, scale, counts[e]);
            write(e, average_code(rule, sums.data<int32_t>()[e], counts[e], k, out.zero, out.lo,
                                  out.hi));
        }
        return codes;
    }

    Tensor average_windows(const Instruction& i) {
        const Tensor& x = input(i);
        const Output out(i);
        const PoolShape shape = pool_shape(i.name.c_str(), x.shape(), pool_attrs(i.attributes));
        const float scale = constant(i, "scale").data<float>()[0];
        const WindowAverages averages(rule_of<PoolRule>(i), shape, x, scale, out.zero);
        if (accumulators_) accumulators_(i, averages.sums());
        Tensor codes = Tensor::empty(shape.output(), out.dtype);
        for_each_cpu(codes.numel(), [&, write = CodeWriter(codes)](int64_t e) {
            write(e, averages.code(e, out.lo, out.hi));
        });
        return codes;
    }

    Tensor average_pool(const Instruction& i) {
        const Tensor& x = input(i);
        const Output out(i);
        const PixelsShape shape{x.shape()[0], x.shape()[1] * x.shape()[2], x.shape()[3]};
        const int32_t count = static_cast<int32_t>(shape.pixels);
        const float scale = constant(i, "scale").data<float>()[0];
        const auto rule = rule_of<PoolRule>(i);
        const AverageConstants k = average_constants(rule, scale, count);
        Tensor sums = Tensor::empty({shape.n, 1, 1, shape.c}, DType::I32);
        global_sum_pool_codes(Device::cpu(), shape, x.dtype(), x.raw(), sums.data<int32_t>());
        if (accumulators_) accumulators_(i, sums);
        Tensor codes = Tensor::empty(sums.shape(), out.dtype);
        const CodeWriter write(codes);
        for (int64_t e = 0; e < sums.numel(); ++e) {
            write(e,
                  average_code(rule, sums.data<int32_t>()[e], count, k, out.zero, out.lo, out.hi));
        }
        return codes;
    }

    Tensor flatten(const Instruction& i) {
        const Tensor& x = input(i);
        return x.reshape({x.shape()[0], x.numel() / x.shape()[0]});
    }

    // Runs the simulation's own operator on constants and registers, by position.
    Tensor float_operator(const Instruction& i) {
        Node node;
        node.name = i.name;
        node.op = i.op;
        node.attributes = i.attributes;
        std::vector<Variable> inputs;
        size_t from_registers = 0;
        for (size_t position = 0; position < i.inputs.size() + i.constants.size(); ++position) {
            const auto found = i.constants.find("input" + std::to_string(position));
            inputs.push_back(
                Variable(found != i.constants.end() ? found->second : input(i, from_registers++)));
        }
        return find_operator(i.op).run({node, false, Rng(0)}, inputs).data();
    }

    IntegerKernel kernel_;
    std::vector<Tensor> registers_;
    const ObserveAccumulators& accumulators_;
};

// The last instruction that reads each register.
std::vector<size_t> last_uses(const Program& program) {
    std::vector<size_t> last(program.registers, 0);
    for (size_t k = 0; k < program.instructions.size(); ++k) {
        for (int input : program.instructions[k].inputs) last.at(input) = k;
    }
    last.at(program.output) = program.instructions.size();
    return last;
}

}  // namespace

Tensor execute(const Program& program, const Tensor& images, IntegerKernel kernel,
               const ObserveCodes& observe, const Watch& watch) {
    Machine machine(program.registers, kernel, watch.accumulators);
    machine.reg(0) = images;
    const std::vector<size_t> last = last_uses(program);
    for (size_t k = 0; k < program.instructions.size(); ++k) {
        const Instruction& instruction = program.instructions[k];
        Tensor& output = machine.reg(instruction.output);
        output = machine.run(instruction);
        if (observe && !instruction.quantizer.empty()) observe(instruction, output);
        if (watch.step) watch.step(instruction, machine.inputs(instruction), output);
        for (int input : instruction.inputs) {
            if (last[input] == k) machine.reg(input) = Tensor();
        }
    }
    return machine.reg(program.output);
}

Tensor execute(const Instruction& instruction, const std::vector<Tensor>& inputs,
               IntegerKernel kernel, const ObserveAccumulators& accumulators) {
    check(inputs.size() == instruction.inputs.size(), "program: ", instruction.name, " reads ",
          instruction.inputs.size(), " tensors, ", inputs.size(), " are given");
    Machine machine(static_cast<int>(inputs.size()), kernel, accumulators);
    Instruction alone = instruction;
    for (size_t k = 0; k < inputs.size(); ++k) {
        machine.reg(static_cast<int>(k)) = inputs[k];
        alone.inputs[k] = static_cast<int>(k);
    }
    return machine.run(alone);
}

Tensor execute_from_accumulators(const Instruction& instruction, const Tensor& accumulators,
                                 const Tensor& other) {
    Machine machine(2, IntegerKernel::readable, nullptr);
    Instruction alone = instruction;
    if (alone.inputs.size() > 1) {
        machine.reg(1) = other;
        alone.inputs = {0, 1};
        return machine.from(alone, accumulators, Tensor());
    }
    return machine.from(alone, accumulators, other);
}

}  // namespace gradus
