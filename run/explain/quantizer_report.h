// quantizer_report -- prints a probed quantizer in words and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "run/explain/quantizer_probe.h"

namespace gradus {

// "0.37796447": the shortest text that reads back as the same float.
std::string float_text(float value);
// One value, or "smallest to largest (n channels)".
std::string values_text(const Tensor& values);
// "title            text"
void print_fact(std::ostream& out, const std::string& title, const std::string& text);

// Prints algorithm, format, notes, each parameter with its origin, and the grid.
void print_quantizer(std::ostream& out, const QuantizerProbe& probe);
nlohmann::ordered_json quantizer_json(const QuantizerProbe& probe);

}  // namespace gradus
