#include "run/train/result.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tensor/check.h"

namespace gradus {

namespace {

using Json = nlohmann::ordered_json;

// The writer and the reader share one list of keys.
template <class R, class Visit>
void for_each_key(R& result, const Visit& visit) {
    visit("model", result.model);
    visit("algo", result.algo);
    visit("weight_algo", result.weight_algo);
    visit("activation_algo", result.activation_algo);
    visit("hardware", result.hardware);
    visit("simulate", result.simulate);
    visit("weight_bits", result.weight_bits);
    visit("activation_bits", result.activation_bits);
    visit("float_top1", result.float_top1);
    visit("calibrated_top1", result.calibrated_top1);
    visit("simulated_top1", result.simulated_top1);
    visit("integer_top1", result.integer_top1);
    visit("predictions_compared", result.predictions_compared);
    visit("predictions_different", result.predictions_different);
    visit("codes_compared", result.codes_compared);
    visit("codes_different", result.codes_different);
    visit("images_per_second", result.images_per_second);
    visit("peak_rss_bytes", result.peak_rss_bytes);
    visit("weights_sha256", result.weights_sha256);
    visit("parameters", result.parameters);
    visit("seconds", result.seconds);
}

Json to_json(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

template <class T>
Json to_json(const std::optional<T>& value) {
    if (!value) return Json();
    if constexpr (std::is_floating_point_v<T>) {
        if (!std::isfinite(*value)) return Json();
    }
    return Json(*value);
}

void from_json_value(const Json& json, std::string& text) {
    text = json.is_null() ? "" : json.get<std::string>();
}

template <class T>
void from_json_value(const Json& json, std::optional<T>& value) {
    value = json.is_null() ? std::nullopt : std::optional<T>(json.get<T>());
}

}  // namespace

std::string result_json(const Result& result) {
    Json json = Json::object();
    for_each_key(result, [&](const char* key, const auto& value) { json[key] = to_json(value); });
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result read_result(const std::string& path) {
    std::ifstream file(path);
    check_kind(file.good(), ErrorKind::data, "cannot read ", path, "; is it the folder of a run?");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    Result result;
    try {
        const Json json = Json::parse(text);
        for_each_key(result,
                     [&](const char* key, auto& value) { from_json_value(json.at(key), value); });
    } catch (const Json::exception& error) {
        fail(ErrorKind::data, path, " is no result of a run: ", error.what());
    }
    return result;
}

double percent(int64_t correct, int64_t total) {
    return total == 0 ? NAN : static_cast<double>(100 * correct) / static_cast<double>(total);
}

}  // namespace gradus
