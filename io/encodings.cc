#include "io/encodings.h"

#include <nlohmann/json.hpp>

#include "io/atomic_file.h"
#include "quant/placement.h"

namespace gradus {

namespace {

using Json = nlohmann::ordered_json;

// AIMET spells booleans as texts.
const char* text_of(bool value) {
    return value ? "True" : "False";
}

// Gives the grid of the whole width: readers refuse one without its lowest code (SNPE's converters:
// "Invalid offset overridden for symmetric encodings").
Json encoding(const Quantizer& q, const Grid& grid, int64_t channel) {
    const double scale = grid.scale.data<float>()[channel];
    const int32_t zero =
        grid.zero_point.data<int32_t>()[grid.zero_point.numel() == 1 ? 0 : channel];
    const int32_t steps = (1 << q.format.bits) - 1;
    const int32_t offset = (q.format.is_signed ? -(1 << (q.format.bits - 1)) : 0) - zero;
    return {{"bitwidth", q.format.bits},
            {"dtype", "int"},
            {"is_symmetric", text_of(q.format.symmetric)},
            {"max", scale * (offset + steps)},
            {"min", scale * offset},
            {"offset", offset},
            {"scale", scale}};
}

Json encodings_of(const Quantizer& q) {
    const Grid grid = q.grid();
    Json list = Json::array();
    for (int64_t c = 0; c < grid.scale.numel(); ++c) list.push_back(encoding(q, grid, c));
    return list;
}

// Finds the layer that reads a weight; the quantizer of the layer's bias reads it too.
std::string layer_of(const Graph& graph, const Node& weight) {
    for (const int id : graph.consumers(graph.find(weight.name))) {
        if (is_weighted(graph.node(id))) return graph.node(id).name;
    }
    fail(ErrorKind::runtime, "encodings: no layer reads ", weight.name);
}

// Calls f(name of the quantized tensor, its quantizer) in network order.
template <class F>
void for_each_quantizer(const Graph& graph, const F& f) {
    for (const Node& node : graph.nodes()) {
        const auto* q = dynamic_cast<const Quantizer*>(node.payload.get());
        if (node.op != "quantize" || !q) continue;
        const bool weight = q->role == Role::weight;
        f(weight ? layer_of(graph, node) + ".weight" : graph.node(node.inputs[0]).name, *q);
    }
}

void save_json(const std::string& path, const Json& json) {
    write_file_atomically(path, json.dump(2) + "\n");
}

}  // namespace

void save_encodings(const std::string& path, const QuantizedModel& model) {
    Json activations = Json::object(), parameters = Json::object();
    for_each_quantizer(model.inference, [&](const std::string& name, const Quantizer& q) {
        (q.role == Role::weight ? parameters : activations)[name] = encodings_of(q);
    });
    const Hardware& row = *model.hardware;
    save_json(path, {{"version", "0.6.1"},
                     {"activation_encodings", activations},
                     {"param_encodings", parameters},
                     {"quantizer_args",
                      {{"activation_bitwidth", model.recipe.activation_bits},
                       {"dtype", "int"},
                       {"is_symmetric", text_of(row.weight.symmetric)},
                       {"param_bitwidth", model.recipe.weight_bits},
                       {"per_channel_quantization", text_of(row.weight.per_channel())},
                       {"quant_scheme", "post_training_tf"}}}});
}

void save_tensorrt_ranges(const std::string& path, const QuantizedModel& model) {
    Json ranges = Json::object();
    for_each_quantizer(model.inference, [&](const std::string& name, const Quantizer& q) {
        if (q.role == Role::weight) return;
        const Grid grid = q.grid();
        const bool int8 =
            q.format.is_signed && q.format.bits == 8 && grid.zero_point.data<int32_t>()[0] == 0;
        check_kind(int8, ErrorKind::usage, "--tensorrt-ranges: ", q.name, " is ",
                   describe(q.format), ", and TensorRT's ranges are of symmetric int8; train for ",
                   "--hardware tensorrt with 8 bits");
        ranges[name] = 127.0 * grid.scale.data<float>()[0];
    });
    save_json(path, {{"tensorrt", {{"blob_range", ranges}}}});
}

}  // namespace gradus
