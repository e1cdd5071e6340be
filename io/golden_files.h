// golden_files -- shared by the writer and the reader of golden bundles (io/golden.h).
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace gradus {

inline const char* const kGoldenFormat = "gradus golden 2";
inline const char* const kGoldenManifest = "manifest.json";
inline const char* const kGoldenSums = "SHA256SUMS";

using GoldenJson = nlohmann::ordered_json;

// Visits the entry of every file of a manifest, in the order of SHA256SUMS. A malformed manifest
// throws nlohmann::json's exceptions.
void for_each_golden_file(const GoldenJson& manifest,
                          const std::function<void(const GoldenJson& entry)>& visit);

// The content of SHA256SUMS that belongs to this text of a manifest.
std::string golden_sums(const GoldenJson& manifest, const std::string& manifest_text);

// The manifest in a folder, of any version of the format, not yet checked; null if there is none.
GoldenJson read_golden_manifest(const std::string& folder);

}  // namespace gradus
