// files -- helpers for tests of readers and writers: a temporary folder, and checks of errors.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/check.h"

namespace gradus {

// A fresh folder, removed with all its content at the end of the scope.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        path_ = (std::filesystem::temp_directory_path() / "gradus_test_XXXXXX").string();
        check(mkdtemp(path_.data()) != nullptr, "test: no temporary folder could be made");
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::string path(const std::string& name) const { return path_ + "/" + name; }

    // Writes a file of this content and returns its path.
    std::string file(const std::string& name, const std::string& content) const {
        std::ofstream out(path(name), std::ios::binary);
        out.write(content.data(), static_cast<std::streamsize>(content.size()));
        out.close();
        check(out.good(), "test: cannot write ", path(name));
        return path(name);
    }

    // The names in the folder, sorted.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            result.push_back(entry.path().filename().string());
        }
        std::sort(result.begin(), result.end());
        return result;
    }

  private:
    std::string path_;
};

inline std::string read_bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    check(in.good(), "test: cannot read ", path);
    std::stringstream content;
    content << in.rdbuf();
    return content.str();
}

// True if action() throws an Error of this kind, in one line that contains every part. Prints any
// other outcome on stderr.
template <class Action>
bool throws(ErrorKind kind, const std::vector<std::string>& parts, const Action& action) {
    try {
        action();
    } catch (const Error& error) {
        const std::string text = error.what();
        const bool complete = std::all_of(parts.begin(), parts.end(), [&](const auto& part) {
            return text.find(part) != std::string::npos;
        });
        const bool ok = error.kind() == kind && complete && text.find('\n') == std::string::npos;
        if (!ok) std::cerr << "another error than expected: " << text << '\n';
        return ok;
    }
    std::cerr << "no error where one was expected\n";
    return false;
}

}  // namespace gradus
