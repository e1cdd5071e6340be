#include "io/onnx_targets.h"

#include <algorithm>

#include "tensor/find_row.h"

namespace gradus {

namespace {

// onnxruntime: QDQ fusion wants a DequantizeLinear of int32 before the bias, and QLinearConv one
// zero point for all filters (onnxruntime/core/providers/cpu/quantization/qlinearconv.cc).
// TensorRT: "Working with Quantized Types": symmetric int8, INT4 only for the weights of products.
// OpenVINO: supported ONNX operators; biases as NNCF exports them.
// QONNX: docs/qonnx-custom-ops/intquant_v1.md.
const std::vector<OnnxTarget> rows{
    {.name = "onnxruntime",
     .int32_bias = true,
     .int4_weights = true,
     .one_weight_zero_point = true,
     .qoperator = true,
     .clips_codes = true},
    {.name = "tensorrt", .symmetric_int8 = true},
    {.name = "openvino", .int4_weights = true},
    {.name = "qonnx", .int_quant = true},
    {.name = "float", .no_quantizers = true},
};

template <class... Parts>
[[noreturn]] void refuse(const OnnxTarget& target, const Parts&... parts) {
    fail(ErrorKind::usage, "--target ", target.name, ": ", parts...);
}

bool all_zero(const std::vector<int32_t>& zero_points) {
    return std::all_of(zero_points.begin(), zero_points.end(), [](int32_t z) { return z == 0; });
}

bool all_equal(const std::vector<int32_t>& zero_points) {
    return std::count(zero_points.begin(), zero_points.end(), zero_points.front()) ==
           static_cast<int64_t>(zero_points.size());
}

void refuse_for_int8(const OnnxTarget& target, const Quantizer& q, const Grid& grid) {
    const char* const remedy = "; train for --hardware tensorrt";
    if (!q.format.is_signed) {
        refuse(target, q.name, " has unsigned codes, and TensorRT quantizes to int8", remedy);
    }
    if (!all_zero(grid.zero_point.to_vector<int32_t>())) {
        refuse(target, q.name, " has a zero point, and TensorRT's scheme is symmetric", remedy);
    }
    const CodeBounds bounds = bounds_of(grid, q.format);
    if (q.role == Role::activation && (bounds.lo != -128 || bounds.hi != 127)) {
        refuse(target, q.name, " has codes in [", bounds.lo, ", ", bounds.hi,
               "], and TensorRT clamps to [-128, 127] alone; train with --activation-bits 8");
    }
}

// IntQuant knows only a width, a sign and a flag for leaving out the lowest code.
void refuse_for_int_quant(const OnnxTarget& target, const Quantizer& q, const Grid& grid) {
    if (q.role == Role::weight) return;  // its values are on the grid, within the bounds
    const CodeBounds bounds = bounds_of(grid, q.format);
    const bool whole = bounds.lo == q.format.qmin() && bounds.hi == q.format.qmax();
    if (!whole) {
        refuse(target, q.name, " has codes in [", bounds.lo, ", ", bounds.hi,
               "], which is no range of whole bits; IntQuant has no other");
    }
}

}  // namespace

const std::vector<OnnxTarget>& onnx_targets() {
    return rows;
}

const OnnxTarget& find_onnx_target(const std::string& name) {
    return find_row(rows, "target", name);
}

void refuse_quantizers(const OnnxTarget& target, const QuantizedModel& model) {
    for (const auto& q : model.quantizers) {
        const Grid grid = q->grid();
        if (target.symmetric_int8) refuse_for_int8(target, *q, grid);
        if (target.int_quant) refuse_for_int_quant(target, *q, grid);
        const bool weight = q->role == Role::weight;
        if (target.one_weight_zero_point && weight &&
            !all_equal(grid.zero_point.to_vector<int32_t>())) {
            refuse(target, q->name, " has a zero point for each filter, and QLinearConv takes one ",
                   "for all; train for --hardware onnxruntime");
        }
    }
}

void refuse_qoperator(const OnnxTarget& target, const Program& program) {
    if (!target.qoperator) {
        refuse(target, "has no operators on codes; drop --form qoperator");
    }
    for (const Instruction& i : program.instructions) {
        const auto say = [&](const char* what) {
            refuse(target, i.name, what, " on ", program.hardware,
                   ", for which there is no QLinear operator; use --form qdq");
        };
        if (i.is_float) say(" computes in float");
        if (i.constants.count("real_bias")) say(" has a float bias");
        if (i.op == "requantize") say(" moves codes to another grid");
        if (i.op == "conv2d" && i.inputs.size() > 1) say(" takes the shortcut in before rounding");
    }
}

}  // namespace gradus
