// result -- the numbers of a run, flat and stable: result.json and --json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gradus {

// Fields of stages that did not run stay empty and are written as null. Top-1 in percent of the
// whole test set.
struct Result {
    std::string model;
    std::string algo;
    std::string weight_algo;  // the algorithm in use: dorefa under --algo pact
    std::string activation_algo;
    std::string hardware;
    std::string simulate;
    std::optional<int> weight_bits;
    std::optional<int> activation_bits;
    std::optional<double> float_top1;
    std::optional<double> calibrated_top1;  // the simulation before quantized training
    std::optional<double> simulated_top1;
    std::optional<double> integer_top1;
    std::optional<int64_t> predictions_compared;
    std::optional<int64_t> predictions_different;
    std::optional<int64_t> codes_compared;  // every element of every quantized activation
    std::optional<int64_t> codes_different;
    std::optional<double> images_per_second;  // median of the quantized training steps
    std::optional<int64_t> peak_rss_bytes;
    std::optional<std::string> weights_sha256;
    std::optional<int64_t> parameters;
    std::optional<double> seconds;
};

// One object, the keys in the order above, two spaces of indent, newline at the end. Empty texts
// and numbers that are not finite become null.
std::string result_json(const Result& result);

// Reads what result_json wrote; Error(data) names the file.
Result read_result(const std::string& path);

// 100 * correct / total with a single rounding, so that 9123 of 10000 prints as 91.23.
double percent(int64_t correct, int64_t total);

}  // namespace gradus
