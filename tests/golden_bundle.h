// golden_bundle -- a bundle of golden vectors changed on purpose.
#pragma once

#include "io/golden_files.h"
#include "io/sha256.h"
#include "tests/files.h"

namespace gradus {

inline void write_bytes(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

// A manifest, and sums that fit it.
inline void write_manifest(const std::string& folder, const GoldenJson& manifest) {
    const std::string text = manifest.dump(1) + "\n";
    write_bytes(folder + "/manifest.json", text);
    try {
        write_bytes(folder + "/SHA256SUMS", golden_sums(manifest, text));
    } catch (const nlohmann::json::exception&) {  // it has lost its shape
    }
}

// The manifest with an entry of each file changed by `change`, and sums that fit it.
template <class Change>
void rewrite_manifest(const std::string& folder, const Change& change) {
    GoldenJson manifest = read_golden_manifest(folder);
    for_each_golden_file(manifest, [&](const GoldenJson& entry) {
        change(const_cast<GoldenJson&>(entry), entry.at("name").get<std::string>());
    });
    write_manifest(folder, manifest);
}

// Hashes as a careful forger would write them.
inline void sign_again(const std::string& folder) {
    rewrite_manifest(folder, [&](GoldenJson& entry, const std::string& name) {
        entry["sha256"] = sha256_file(folder + "/" + name);
    });
}

}  // namespace gradus
