#include "run/explain/quantizer_report.h"

#include <algorithm>
#include <charconv>

namespace gradus {

namespace {

const char* role_name(const QuantizerProbe& probe) {
    return probe.quantizer.role == Role::weight ? "weight" : "activation";
}

nlohmann::ordered_json parameters_json(const QuantizerProbe& probe) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (size_t i = 0; i < probe.quantizer.parameters.size(); ++i) {
        const Parameter& parameter = *probe.quantizer.parameters[i];
        list.push_back({{"name", parameter_name(probe, i)},
                        {"learned", parameter.trainable},
                        {"origin", probe.origins[i]},
                        {"values", parameter.value.to_vector<float>()}});
    }
    return list;
}

}  // namespace

std::string float_text(float value) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string values_text(const Tensor& values) {
    const float* begin = values.data<float>();
    const auto [least, most] = std::minmax_element(begin, begin + values.numel());
    if (values.numel() == 1) return float_text(*least);
    return join(float_text(*least), " to ", float_text(*most), " (", values.numel(), " channels)");
}

void print_fact(std::ostream& out, const std::string& title, const std::string& text) {
    constexpr size_t width = 20;
    out << title << std::string(title.size() < width ? width - title.size() : 1, ' ') << text
        << '\n';
}

void print_quantizer(std::ostream& out, const QuantizerProbe& probe) {
    const Quantizer& q = probe.quantizer;
    print_fact(out, q.algorithm->name, q.algorithm->citation);
    print_fact(out, "format", join(role_name(probe), " ", describe(q.format)));
    for (const std::string& note : probe.notes) print_fact(out, "note", note);
    for (size_t i = 0; i < q.parameters.size(); ++i) {
        const Parameter& parameter = *q.parameters[i];
        print_fact(out, parameter_name(probe, i),
                   values_text(parameter.value) + " (" + probe.origins[i] +
                       (parameter.trainable ? ", learned)" : ")"));
    }
    print_fact(out, "grid",
               "scale " + values_text(probe.grid.scale) + ", zero point " +
                   values_text(zero_point_in_use(probe)));
}

nlohmann::ordered_json quantizer_json(const QuantizerProbe& probe) {
    const Quantizer& q = probe.quantizer;
    const CodeBounds bounds = bounds_of(probe.grid, q.format);
    return {{"algorithm", q.algorithm->name},
            {"citation", q.algorithm->citation},
            {"role", role_name(probe)},
            {"format", describe(q.format)},
            {"bits", q.format.bits},
            {"lowest_code", bounds.lo},
            {"highest_code", bounds.hi},
            {"notes", probe.notes},
            {"parameters", parameters_json(probe)},
            {"scale", probe.grid.scale.to_vector<float>()},
            {"zero_point", zero_point_in_use(probe).to_vector<float>()}};
}

}  // namespace gradus
