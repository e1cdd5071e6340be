#include "quant/hardware.h"

#include <algorithm>

#include "tensor/find_row.h"

namespace gradus {

namespace {

constexpr int per_tensor = -1, per_channel = 0;

QuantFormat symmetric(int channel_axis) {
    QuantFormat format;
    format.channel_axis = channel_axis;
    return format;
}
QuantFormat narrow(int channel_axis) {
    QuantFormat format = symmetric(channel_axis);
    format.narrow = true;
    return format;
}
QuantFormat power_of_two() {
    QuantFormat format = symmetric(per_tensor);
    format.power_of_two = true;
    return format;
}
QuantFormat asymmetric(bool is_signed, int channel_axis = per_tensor) {
    QuantFormat format = symmetric(channel_axis);
    format.is_signed = is_signed;
    format.symmetric = false;
    return format;
}

constexpr bool s8 = true, u8 = false;

// MQBench, Table 2, in its order.
std::vector<Hardware> benchmark_rows() {
    return {
        {.name = "academic",
         .description = "inputs of convolution and linear only, the rest in float",
         .weight = symmetric(per_tensor),
         .activation = symmetric(per_tensor),
         .adaptive_sign = true,
         .block_graph = 1,
         .bn_fold = -1,
         .exact = true,
         .evidence = "MQBench, Table 2 and App. E"},
        {.name = "tensorrt",
         .description = "NVIDIA TensorRT: float epilogue, the residual sum fused into it",
         .weight = symmetric(per_channel),
         .activation = symmetric(per_tensor),
         .block_graph = 2,
         .requantize = RequantizeRule::r9,
         .add = AddRule::real,
         .mean = PoolRule::real,
         .window = PoolRule::real,
         .bias = BiasRule::real,
         .evidence = "TensorRT's documentation of quantization schemes"},
        {.name = "acl",
         .description = "Huawei Ascend: R10 between layers, float32 around additions",
         .weight = asymmetric(s8, per_channel),
         .activation = asymmetric(s8),
         .block_graph = 1,
         .requantize = RequantizeRule::r10,
         .evidence = "Ascend's documentation of AscendRequant; formats of MQBench, Table 2"},
        {.name = "tvm",
         .description = "TVM relay.quantize: power-of-two scales, shifts",
         .weight = power_of_two(),
         .activation = power_of_two(),
         .requantize = RequantizeRule::r5,
         .add = AddRule::tvm,
         .mean = PoolRule::truncated,
         .window = PoolRule::truncated,
         .exact = true,
         .evidence = "TVM v0.13 relay/quantize/realize, read; not: compared with a live library"},
        {.name = "snpe",
         .description = "Qualcomm SNPE as documented: R1, float additions",
         .weight = asymmetric(u8),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r1,
         .add = AddRule::real,
         .mean = PoolRule::real,
         .window = PoolRule::real,
         .evidence = "SNPE's documentation of quantized models; hexagon-nn is its open ancestor"},
        {.name = "fbgemm",
         .description = "FBGEMM as PyTorch calls it: float bias, additions as in whole vectors",
         .weight = asymmetric(s8, per_channel),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r1f,
         .add = AddRule::torch,
         .mean = PoolRule::reciprocal,
         .window = PoolRule::reciprocal,
         .bias = BiasRule::real,
         .accumulators = {AccumulatorPolicy::exact, AccumulatorPolicy::pairs16,
                          AccumulatorPolicy::acc16},
         .exact = true,
         .evidence =
             "PyTorch 2.15, engine fbgemm, tie-seeking vectors; FBGEMM QuantUtilsAvx2; not: "
             "pools of NCHW memory, exact sums of depthwise layers"},
    };
}

// Integer libraries whose source was read and which serve as executable references.
std::vector<Hardware> reference_rows() {
    return {
        {.name = "onnxruntime",
         .description = "QLinearConv, QLinearAdd, QLinearGlobalAveragePool on x86, integer from "
                        "the input quantizer to the logits",
         .weight = narrow(per_channel),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r1,
         .add = AddRule::onnxruntime,
         .mean = PoolRule::real,
         .window = PoolRule::float_sum,
         .accumulators = {AccumulatorPolicy::exact, AccumulatorPolicy::pairs16},
         .exact_depthwise = true,
         .exact = true,
         .evidence =
             "onnxruntime 1.32, tie-seeking vectors; x86 without VNNI: --accumulator pairs16, or "
             "session.x64quantprecision = 1"},
        {.name = "tflite",
         .description = "TFLite's reference kernels: two roundings in Q31",
         .weight = narrow(per_channel),
         .activation = asymmetric(s8),
         .requantize = RequantizeRule::r2,
         .add = AddRule::tflite,
         .mean = PoolRule::mean,
         .window = PoolRule::half_away,
         .bound = BoundRule::half_away,
         .exact = true,
         .evidence = "LiteRT 2.3 reference kernels and TFLite Micro, tie-seeking vectors; not "
                     "LiteRT's FULLY_CONNECTED between layers, nor the codes of images"},
        {.name = "tflite-single",
         .description = "TFLite built with single rounding, ruy",
         .weight = narrow(per_channel),
         .activation = asymmetric(s8),
         .requantize = RequantizeRule::r3,
         .add = AddRule::tflite_single,
         .mean = PoolRule::mean_single,
         .window = PoolRule::half_away,
         .bound = BoundRule::half_away,
         .evidence = "TFLite common.cc with TFLITE_SINGLE_ROUNDING and ruy apply_multiplier, read; "
                     "no package is built so, none was compared"},
        {.name = "xnnpack",
         .description = "XNNPACK qs8 with per-channel weights on x86, as LiteRT delegates to it",
         .weight = narrow(per_channel),
         .activation = asymmetric(s8),
         .requantize = RequantizeRule::r1,
         .add = AddRule::xnnpack,
         .mean = PoolRule::xnnpack,
         .window = PoolRule::half_away,  // not delegated: LiteRT's own AVERAGE_POOL_2D
         .bound = BoundRule::zero_inside,
         .multipliers = {0x1p-32f, 0x1p8f},
         .exact = true,
         .evidence =
             "LiteRT 2.3's XNNPACK delegate, tie-seeking vectors, convolutions and additions "
             "also in PyTorch 1.13; not the codes of images"},
        {.name = "qnnpack",
         .description = "PyTorch's QNNPACK engine",
         .weight = symmetric(per_channel),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r1b,
         .add = AddRule::qnnpack,
         .mean = PoolRule::real,
         .window = PoolRule::real,
         .multipliers = {0x1p-126f, INFINITY},  // the normal floats
         .exact = true,
         .always_counts_padding = true,
         .evidence =
             "PyTorch 1.13 and 2.15, engine qnnpack, tie-seeking vectors; not: averages that "
             "leave padding out, which it cannot"},
        {.name = "onednn",
         .description = "PyTorch's oneDNN engine: float bias, the zero point inside the rounding",
         .weight = symmetric(per_channel),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r1c,
         .add = AddRule::torch,
         .mean = PoolRule::reciprocal,
         .window = PoolRule::reciprocal,
         .bias = BiasRule::real,
         .exact = true,
         .evidence =
             "PyTorch 1.13 (oneDNN 2.6), engine onednn, tie-seeking vectors; not: oneDNN 3 of "
             "later PyTorch, pools of NCHW memory"},
        {.name = "hexagon-nn",
         .description = "Hexagon NN: integer reciprocals, 16-bit additions",
         .weight = asymmetric(u8),
         .activation = asymmetric(u8),
         .requantize = RequantizeRule::r8,
         .add = AddRule::hexagon,
         .mean = PoolRule::mantissa,
         .window = PoolRule::mantissa,
         .bias = BiasRule::hexagon,
         .exact = true,
         .evidence = "Hexagon NN op_supernode (vector path), op_add_d32, op_avgpool_d32 (reference "
                     "path), read; not: compared with a live library, windows over a border"},
    };
}

bool has_accumulator(const Hardware& hardware, AccumulatorPolicy policy) {
    const auto& all = hardware.accumulators;
    return std::find(all.begin(), all.end(), policy) != all.end();
}

std::string common_rules(const Hardware& h) {
    const char* biases[] = {"int32 bias", "float bias", "bias with a scale of its own"};
    if (h.requantize == RequantizeRule::none) return "float between layers";
    return join(rule_name(h.requantize), ", add ", rule_name(h.add), ", average ",
                rule_name(h.mean), " and ", rule_name(h.window), ", ",
                biases[static_cast<int>(h.bias)]);
}

}  // namespace

const std::vector<Hardware>& hardware_table() {
    static const std::vector<Hardware> rows = [] {
        std::vector<Hardware> all = benchmark_rows();
        for (const Hardware& row : reference_rows()) all.push_back(row);
        return all;
    }();
    return rows;
}

const Hardware& find_hardware(const std::string& name) {
    return find_row(hardware_table(), "hardware", name);
}

PoolRule average_rule(const Hardware& hardware, const std::string& op) {
    if (op == "global_average_pool") return hardware.mean;
    return op == "average_pool2d" ? hardware.window : PoolRule::none;
}

void check_accumulator(const Hardware& hardware, AccumulatorPolicy policy) {
    if (has_accumulator(hardware, policy)) return;
    std::string others;
    for (const Hardware& row : hardware_table()) {
        if (has_accumulator(row, policy)) others += join(' ', row.name);
    }
    fail(ErrorKind::usage, "--accumulator ", accumulator_name(policy), ": ", hardware.name,
         " does not sum so; drop it, or take --hardware", others);
}

std::string multiplier_refusal(const Hardware& hardware, float multiplier) {
    const MultiplierRange& range = hardware.multipliers;
    if (multiplier >= range.least && multiplier < range.end) return "";
    return join("the multiplier s_x s_w / s_y is ", multiplier, "; ", hardware.name, " takes [",
                range.least, ", ", range.end, ")");
}

std::string rules_text(const Hardware& h) {
    std::string text = common_rules(h);
    for (size_t i = 0; h.accumulators.size() > 1 && i < h.accumulators.size(); ++i) {
        text += join(i == 0 ? ", accumulators " : " or ", accumulator_name(h.accumulators[i]));
    }
    if (h.exact_depthwise) text += " (depthwise exact)";
    return text;
}

std::string rules_text(const Hardware& h, AccumulatorPolicy in_force) {
    if (h.accumulators.size() == 1) return common_rules(h);
    return join(common_rules(h), ", accumulators ", accumulator_name(in_force));
}

}  // namespace gradus
