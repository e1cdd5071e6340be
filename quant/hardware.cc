#include "quant/hardware.h"

#include "tensor/find_row.h"

namespace gradus {

namespace {

QuantFormat weight_format(bool narrow, int channel_axis) {
    QuantFormat format;
    format.narrow = narrow;
    format.channel_axis = channel_axis;
    return format;
}

QuantFormat activation_format(bool is_signed, bool symmetric) {
    QuantFormat format;
    format.is_signed = is_signed;
    format.symmetric = symmetric;
    return format;
}

}  // namespace

const std::vector<Hardware>& hardware_table() {
    static const std::vector<Hardware> rows{
        {"academic",
         "MQBench's academic setting: inputs of convolution and linear only, the rest "
         "in float",
         weight_format(false, -1), activation_format(true, true), true, 1, -1, RequantizeRule::none,
         AddRule::none, PoolRule::none, true, "MQBench, Table 2 and App. E"},
        {"onnxruntime",
         "QLinearConv, QLinearAdd, QLinearGlobalAveragePool on x86, integer from "
         "the input quantizer to the logits",
         weight_format(true, 0), activation_format(false, false), false, 3, 4, RequantizeRule::r1,
         AddRule::onnxruntime, PoolRule::onnxruntime, true,
         "onnxruntime 1.32, tie-seeking vectors"},
    };
    return rows;
}

const Hardware& find_hardware(const std::string& name) {
    return find_row(hardware_table(), "hardware", name);
}

}  // namespace gradus
