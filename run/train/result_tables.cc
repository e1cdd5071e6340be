#include "run/train/result_tables.h"

#include <algorithm>

#include "run/console_table.h"
#include "run/progress.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Cells = std::vector<std::string>;

template <class T, class Format>
std::string cell(const std::optional<T>& value, const Format& format) {
    return value ? format(*value) : "-";
}

std::string top1_text(double top1) {
    return fixed_text(top1, 2) + " %";
}
std::string speed_text(double speed) {
    return fixed_text(speed, speed < 100 ? 1 : 0);
}

std::string of_text(const std::optional<int64_t>& part, const std::optional<int64_t>& whole) {
    if (!part || !whole) return "-";
    return count_text(*part) + " of " + count_text(*whole);
}

std::string widths_text(const Result& result) {
    if (!result.weight_bits || !result.activation_bits) return "-";
    return join("W", *result.weight_bits, " A", *result.activation_bits);
}

// True if every cell is "-": the row is left out.
bool says_nothing(const Cells& cells) {
    return std::all_of(cells.begin() + 1, cells.end(),
                       [](const std::string& cell) { return cell == "-" || cell.empty(); });
}

}  // namespace

void print_final_table(std::ostream& out, const Result& result, const FinalFacts& facts,
                       bool utf8) {
    const std::string simulation =
        result.simulate.empty() ? "simulation" : "simulation (" + result.simulate + ")";
    ConsoleTable table({join(result.model, " ", result.algo, " ", result.hardware), "float",
                        simulation, "integers"});
    const auto row = [&](const std::string& name, const std::string& in_float,
                         const std::string& simulated, const std::string& integer) {
        const Cells cells = {name, in_float, simulated, integer};
        if (!says_nothing(cells)) table.row(cells);
    };
    const bool ran = result.integer_top1.has_value();
    const std::string widths = widths_text(result);
    row("bits", result.float_top1 ? "f32" : "-", result.simulated_top1 ? widths : "-",
        ran ? widths : "-");
    row("top-1", cell(result.float_top1, top1_text), cell(result.simulated_top1, top1_text),
        cell(result.integer_top1, top1_text));
    row("predictions that differ", "", "",
        of_text(result.predictions_different, result.predictions_compared));
    row("codes that differ", "", "", of_text(result.codes_different, result.codes_compared));
    row("size of the weights", cell(facts.float_weight_bytes, bytes_text), "",
        cell(facts.packed_weight_bytes, bytes_text));
    row("training, images/s", cell(facts.float_images_per_second, speed_text),
        cell(result.images_per_second, speed_text), "");
    row("evaluation, images/s", "", "", cell(facts.integer_images_per_second, speed_text));
    row("time", cell(facts.float_seconds, duration_text),
        cell(facts.simulated_seconds, duration_text), cell(facts.integer_seconds, duration_text));
    table.print(out, utf8);
    if (result.seconds) out << "whole run: " << duration_text(*result.seconds);
    if (result.seconds && result.peak_rss_bytes) out << ", peak memory ";
    if (result.peak_rss_bytes) out << bytes_text(*result.peak_rss_bytes);
    if (result.seconds || result.peak_rss_bytes) out << '\n';
    if (facts.float_nodes) out << "float nodes: " << *facts.float_nodes << '\n';
}

void print_layer_table(std::ostream& out, const std::vector<LayerRow>& layers, bool utf8) {
    ConsoleTable table({"layer", "kind", "W bits", "A bits", "codes", "differ", "largest"});
    const auto number = [](int value) { return std::to_string(value); };
    for (const LayerRow& layer : layers) {
        table.row({layer.name, layer.kind, cell(layer.weight_bits, number),
                   cell(layer.activation_bits, number), count_text(layer.codes_compared),
                   count_text(layer.codes_different), count_text(layer.largest_difference)});
    }
    table.print(out, utf8);
}

}  // namespace gradus
