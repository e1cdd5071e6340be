// golden_bundle -- changes a bundle of golden vectors on purpose.
#pragma once

#include "io/golden_files.h"
#include "io/sha256.h"
#include "tests/files.h"

namespace gradus {

inline void write_bytes(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

// Writes a manifest, and matching sums.
inline void write_manifest(const std::string& folder, const GoldenJson& manifest) {
    const std::string text = manifest.dump(1) + "\n";
    write_bytes(folder + "/manifest.json", text);
    try {
        write_bytes(folder + "/SHA256SUMS", golden_sums(manifest, text));
    } catch (const nlohmann::json::exception&) {  // it no longer has the right shape
    }
}

// Applies `change` to each file's entry in the manifest, and writes matching sums.
template <class Change>
void rewrite_manifest(const std::string& folder, const Change& change) {
    GoldenJson manifest = read_golden_manifest(folder);
    for_each_golden_file(manifest, [&](const GoldenJson& entry) {
        change(const_cast<GoldenJson&>(entry), entry.at("name").get<std::string>());
    });
    write_manifest(folder, manifest);
}

// Recomputes the hashes, as a careful forger would.
inline void sign_again(const std::string& folder) {
    rewrite_manifest(folder, [&](GoldenJson& entry, const std::string& name) {
        entry["sha256"] = sha256_file(folder + "/" + name);
    });
}

}  // namespace gradus
