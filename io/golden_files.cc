#include "io/golden_files.h"

#include <fstream>

#include "io/sha256.h"

namespace gradus {

void for_each_golden_file(const GoldenJson& manifest,
                          const std::function<void(const GoldenJson& entry)>& visit) {
    visit(manifest.at("images"));
    visit(manifest.at("logits"));
    for (const GoldenJson& layer : manifest.at("layers")) {
        for (const GoldenJson& input : layer.at("inputs")) visit(input.at("file"));
        for (const auto& constant : layer.at("constants").items()) visit(constant.value());
        if (!layer.at("accumulator").is_null()) visit(layer.at("accumulator"));
        visit(layer.at("output").at("file"));
        if (!layer.contains("ties") || layer.at("ties").is_null()) continue;
        for (const auto& vectors : layer.at("ties").items()) visit(vectors.value());
    }
}

std::string golden_sums(const GoldenJson& manifest, const std::string& manifest_text) {
    std::string text;
    for_each_golden_file(manifest, [&](const GoldenJson& entry) {
        text += entry.at("sha256").get<std::string>() + "  " + entry.at("name").get<std::string>() +
                "\n";
    });
    return text + sha256_hex(manifest_text) + "  " + kGoldenManifest + "\n";
}

GoldenJson read_golden_manifest(const std::string& folder) {
    std::ifstream file(folder + "/" + kGoldenManifest, std::ios::binary);
    const GoldenJson manifest = GoldenJson::parse(file, nullptr, false);
    if (!manifest.is_object() || !manifest.contains("format")) return {};
    const GoldenJson& format = manifest.at("format");
    const bool ours = format.is_string() && format.get<std::string>().starts_with("gradus golden ");
    return ours ? manifest : GoldenJson();
}

}  // namespace gradus
