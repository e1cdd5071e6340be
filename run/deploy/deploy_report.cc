#include "run/deploy/deploy_report.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "run/console_table.h"
#include "tensor/check.h"

namespace gradus {

namespace {

using Json = nlohmann::ordered_json;

std::string short_text(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.4g", value);
    return text;
}

int bits_of(int64_t magnitude) {
    int bits = 0;
    while (magnitude >> bits != 0) ++bits;
    return bits;
}

std::string range_text(const LayerMeasure& m) {
    if (m.accumulators == 0) return "-";
    return join(m.least_accumulator, "..", m.largest_accumulator);
}

std::string bits_text(const LayerMeasure& m) {
    if (m.accumulators == 0) return "-";
    return join(m.accumulator_bits(), m.bound ? join("/", bits_of(m.bound->bound)) : "");
}

std::string share_text(int64_t part, const LayerMeasure& m) {
    if (!m.clamps || m.codes == 0) return "-";
    return fixed_text(100.0 * static_cast<double>(part) / static_cast<double>(m.codes), 2);
}

std::string sqnr_text(const LayerMeasure& m) {
    const std::optional<double> sqnr = m.sqnr();
    return sqnr ? fixed_text(*sqnr, 1) : "-";
}

Json grid_json(const LayerMeasure& m) {
    if (!m.grid) return Json();
    return {{"scale", m.grid->scale},      {"zero_point", m.grid->zero_point},
            {"low", m.grid->bounds.lo},    {"high", m.grid->bounds.hi},
            {"bits", m.grid->format.bits}, {"signed", m.grid->format.is_signed}};
}

Json accumulators_json(const LayerMeasure& m, bool saturate) {
    if (m.accumulators == 0) return Json();
    Json json{{"min", m.least_accumulator},
              {"max", m.largest_accumulator},
              {"bits", m.accumulator_bits()}};
    json["bound"] = m.bound ? Json(m.bound->bound) : Json();
    json["bound_channel"] = m.bound ? Json(m.bound->channel) : Json();
    json["changed"] = saturate && m.bound ? Json(m.saturated) : Json();
    return json;
}

Json layer_json(const Measurement& measured, const LayerMeasure& m) {
    Json json{{"layer", m.layer}, {"op", m.op}, {"output", grid_json(m)}};
    json["rule"] = m.rule.rule.empty() ? Json() : Json(m.rule.rule);
    json["multiplier"] = m.rule.multiplier;
    json["shift"] = m.rule.shift;
    json["accumulators"] = accumulators_json(m, measured.saturation().has_value());
    json["codes"] = m.codes;
    json["codes_low"] = m.clamps ? Json(m.at_low) : Json();
    json["codes_high"] = m.clamps ? Json(m.at_high) : Json();
    const auto compared = measured.compared(m);
    json["codes_different"] = compared ? Json(compared->difference.different) : Json();
    json["largest_difference"] = compared ? Json(compared->difference.largest) : Json();
    const std::optional<double> sqnr = m.sqnr();
    json["sqnr_db"] = sqnr && std::isfinite(*sqnr) ? Json(*sqnr) : Json();
    json["float_node"] = m.float_node.empty() ? Json() : Json(m.float_node);
    return json;
}

std::string of_codes(int64_t part, const LayerGap& layer) {
    if (part == 0) return "0";
    const double share = 100.0 * static_cast<double>(part) / static_cast<double>(layer.codes);
    char text[40];
    std::snprintf(text, sizeof text, " (%.2g%%)", share);
    return count_text(part) + text;
}

Json gap_json(const LayerGap& layer) {
    return {{"codes", layer.codes},
            {"near_tie", layer.near_tie},
            {"forced_different", layer.forced.different},
            {"forced_largest", layer.forced.largest},
            {"free_different", layer.free.different},
            {"free_largest", layer.free.largest}};
}

Json gap_json(const Gap& gap, double top1) {
    Json json = gap_json(gap.total());
    json["top1"] = top1;
    json["images"] = gap.images();
    json["images_proven"] = gap.images_proven();
    json["predictions_different"] = gap.predictions_different();
    json["largest_logit_difference"] = gap.largest_logit_difference();
    json["layers"] = Json::array();
    for (const LayerGap& layer : gap.layers()) {
        Json row{{"layer", layer.layer}, {"op", layer.op}};
        row.update(gap_json(layer));
        json["layers"].push_back(row);
    }
    return json;
}

}  // namespace

void print_gap(std::ostream& out, const Gap& gap, double top1, bool utf8) {
    ConsoleTable table({"qdq against integers", "op", "codes", "near a tie", "differ, fed integers",
                        "largest", "differ, free", "largest"});
    const auto row = [&](const std::string& name, const LayerGap& layer) {
        table.row({name, layer.op, count_text(layer.codes), of_codes(layer.near_tie, layer),
                   of_codes(layer.forced.different, layer), std::to_string(layer.forced.largest),
                   of_codes(layer.free.different, layer), std::to_string(layer.free.largest)});
    };
    for (const LayerGap& layer : gap.layers()) row(layer.layer, layer);
    row("all", gap.total());
    table.print(out, utf8);
    out << "near a tie: not proven equal by the bound of the float sums; every other code is\n"
        << "free: top-1 " << fixed_text(top1, 2) << " %, predictions of "
        << count_text(gap.predictions_different()) << " of " << count_text(gap.images())
        << " images differ, logits by up to " << short_text(gap.largest_logit_difference())
        << "; all codes of " << count_text(gap.images_proven())
        << (gap.images_proven() == 1 ? " image" : " images") << " are proven equal\n";
}

void print_measures(std::ostream& out, const Measurement& measured, bool utf8) {
    ConsoleTable table({"layer", "op", "scale", "zero", "multiplier", "shift", "accumulators",
                        "bits", "low %", "high %", "differ", "SQNR"});
    for (const LayerMeasure& m : measured.layers()) {
        const auto compared = measured.compared(m);
        table.row({m.layer, m.op, m.grid ? short_text(m.grid->scale) : "-",
                   m.grid ? std::to_string(m.grid->zero_point) : "-", multiplier_text(m.rule),
                   shift_text(m.rule), range_text(m), bits_text(m), share_text(m.at_low, m),
                   share_text(m.at_high, m),
                   compared ? count_text(compared->difference.different) : "-", sqnr_text(m)});
    }
    table.print(out, utf8);
    out << "bits: of the largest |accumulator| seen / that the constants allow; floats hold 24, "
           "int32 31\n"
           "low, high: codes at the ends of the clamp; SQNR: dB against the float network on the "
           "same weights\n";
}

std::string float_range_note(const Measurement& measured) {
    int layers = 0;
    std::optional<AccumulatorBound> worst;
    for (const LayerMeasure& m : measured.layers()) {
        if (!m.bound || m.bound->bound <= kExactInFloat) continue;
        ++layers;
        if (!worst || m.bound->bound > worst->bound) worst = m.bound;
    }
    if (!worst) return "";
    return join("note: accumulators may exceed 2^24, beyond which a float rounds them, in ", layers,
                layers == 1 ? " layer" : " layers", "; the furthest is ", count_text(worst->bound),
                " in channel ", worst->channel, " of ", worst->layer);
}

std::string deploy_json(const Measurement& measured, const Result& result, const FinalFacts& final,
                        const DeployFacts& facts) {
    Json json{{"run", facts.run}};
    const Json common = Json::parse(result_json(result));
    for (const char* key :
         {"model", "algo", "hardware", "simulate", "weight_bits", "activation_bits",
          "simulated_top1", "integer_top1", "predictions_compared", "predictions_different",
          "codes_compared", "codes_different", "weights_sha256"}) {
        json[key] = common.at(key);
    }
    json["float_same_weights_top1"] = common.at("float_top1");
    const auto saturation = measured.saturation();
    json["accumulator"] = facts.accumulator;
    json["accumulators"] = saturation ? Json(saturation->all) : Json();
    json["accumulators_changed"] = saturation ? Json(saturation->changed) : Json();
    json["program_compared"] = facts.program_compared;
    json["rules"] = facts.rules;
    json["nominal"] = facts.nominal;
    json["float_nodes"] = final.float_nodes.value_or(0);
    json["float_weight_bytes"] = final.float_weight_bytes.value_or(0);
    json["packed_weight_bytes"] = final.packed_weight_bytes.value_or(0);
    json["differences"] = facts.differences;
    json["layers"] = Json::array();
    for (const LayerMeasure& m : measured.layers()) {
        json["layers"].push_back(layer_json(measured, m));
    }
    if (facts.gap) json["gap"] = gap_json(*facts.gap, facts.gap_top1);
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gradus
