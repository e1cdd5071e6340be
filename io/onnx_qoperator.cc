#include "io/onnx_qoperator.h"

#include "integer/register_grids.h"
#include "io/onnx_nodes.h"
#include "io/weight_layout.h"

namespace gradus {

namespace {

class ProgramWriter {
  public:
    ProgramWriter(OnnxFile& file, const QuantizedModel& model, const Program& program)
        : file_(file),
          model_(model),
          program_(program),
          grids_(register_grids(model, program)),
          registers_(program.registers),
          one_pixel_(program.registers, false) {}

    void write() {
        const Shape& s = program_.sample_shape;
        file_.set_input("input", {-1, s[2], s[0], s[1]});
        registers_[0] = "input";
        for (const Instruction& i : program_.instructions) registers_[i.output] = write(i);
        file_.set_output(registers_[program_.output], {-1, classes_});
    }

  private:
    std::string write(const Instruction& i) {
        if (i.op == "quantize") return rounded(i, "QuantizeLinear", {x(i), out(i)});
        if (i.op == "conv2d") return convolution(i);
        if (i.op == "linear") return linear(i);
        if (i.op == "add") {
            return rounded(i, "QLinearAdd", {x(i, 0), in(i, 0), x(i, 1), in(i, 1), out(i)}, {},
                           kMicrosoftDomain);
        }
        if (i.op == "global_average_pool") return average(i);
        if (i.op == "max_pool2d") {
            return file_.add("MaxPool", codes(i), x(i), onnx_pool_attributes(i.attributes));
        }
        if (i.op == "flatten") {
            return write_flatten(file_, x(i)[0], codes(i), one_pixel_[i.inputs[0]]);
        }
        if (i.op == "concat") return concat(i);
        fail(ErrorKind::usage, "ONNX: ", i.name, " is a ", i.op,
             ", for which no operator on codes is written; use --form qdq");
    }

    // Inputs of a node come in groups.
    using Names = std::vector<std::string>;
    static Names joined(const std::vector<Names>& groups) {
        Names all;
        for (const Names& group : groups) all.insert(all.end(), group.begin(), group.end());
        return all;
    }
    Names x(const Instruction& i, int position = 0) const {
        return {registers_.at(i.inputs.at(position))};
    }
    Names in(const Instruction& i, int position = 0) { return grid(i.inputs.at(position)); }
    Names out(const Instruction& i) { return grid(i.output); }

    static std::string grid_name(const Instruction& i) {
        return i.quantizer.empty() ? i.name + ".quantizer" : i.quantizer;
    }
    static std::string codes(const Instruction& i) { return grid_name(i) + ".codes"; }

    // Scale and zero point of a register.
    Names grid(int reg) {
        const RegisterGrid& g = *grids_.at(reg);
        const GridNames names = write_grid(file_, codes_name(reg), Tensor::full({1}, g.scale),
                                           Tensor::from(std::vector<int32_t>{g.zero_point}, {1}),
                                           g.format.code_dtype());
        return {names.scale, names.zero_point};
    }
    std::string codes_name(int reg) const {
        for (const Instruction& i : program_.instructions) {
            if (i.output == reg) return grid_name(i);
        }
        fail(ErrorKind::runtime, "program: nothing writes register ", reg);
    }

    // Adds a node whose result is rounded to a grid and clamped to lo, hi.
    std::string rounded(const Instruction& i, const char* op, const std::vector<Names>& inputs,
                        const Attributes& attributes = {}, const char* domain = "") {
        const CodeBounds bounds{static_cast<int32_t>(i.attributes.integer("lo")),
                                static_cast<int32_t>(i.attributes.integer("hi"))};
        const DType type = i.attributes.integer("signed") ? DType::I8 : DType::U8;
        const bool clip = clips(bounds, type);
        const std::string raw = file_.add(op, clip ? grid_name(i) + ".unclipped" : codes(i),
                                          joined(inputs), attributes, domain);
        return clip ? write_clip(file_, raw, codes(i), bounds, type) : raw;
    }

    // The codes of the filters, their scales and zero points.
    Names weight(const Instruction& i) {
        const Tensor& filters = i.constants.at("weight");
        const Quantizer& q = *weight_quantizer(model_, i.name);
        const Grid grid = q.grid();
        const GridNames names =
            write_grid(file_, q.name, grid.scale, grid.zero_point, filters.dtype());
        return {file_.constant(i.name + ".weight", filters_to_file(filters)), names.scale,
                names.zero_point};
    }
    Names bias(const Instruction& i) {
        const auto found = i.constants.find("bias");
        if (found == i.constants.end()) return {""};
        return {file_.constant(i.name + ".bias", found->second)};
    }

    std::string convolution(const Instruction& i) {
        const Shape& filters = i.constants.at("weight").shape();
        return rounded(i, "QLinearConv", {x(i), in(i), weight(i), out(i), bias(i)},
                       onnx_conv_attributes(i.attributes, filters));
    }

    // Without an output grid the layer gives floats, f32(acc) f32(s_x s_w).
    std::string linear(const Instruction& i) {
        const Attributes attributes{{"transB", int64_t{1}}};
        const std::vector<Names> inputs{x(i), in(i), weight(i), bias(i)};
        classes_ = i.constants.at("weight").shape()[0];
        if (i.constants.count("scale")) {
            return file_.add("QGemm", "logits", joined(inputs), attributes, kMicrosoftDomain);
        }
        return rounded(i, "QGemm", {joined(inputs), out(i)}, attributes, kMicrosoftDomain);
    }

    std::string average(const Instruction& i) {
        one_pixel_[i.output] = true;
        return rounded(i, "QLinearGlobalAveragePool", {x(i), in(i), out(i)},
                       {{"channels_last", int64_t{0}}}, kMicrosoftDomain);
    }

    std::string concat(const Instruction& i) {
        Names inputs;
        for (const int reg : i.inputs) inputs.push_back(registers_.at(reg));
        return file_.add("Concat", codes(i), inputs, {{"axis", int64_t{1}}});
    }

    OnnxFile& file_;
    const QuantizedModel& model_;
    const Program& program_;
    const std::vector<std::optional<RegisterGrid>> grids_;
    Names registers_;  // the tensor in each register
    std::vector<bool> one_pixel_;
    int64_t classes_ = -1;
};

}  // namespace

void write_qoperator(OnnxFile& file, const QuantizedModel& model, const Program& program) {
    ProgramWriter(file, model, program).write();
}

}  // namespace gradus
