#include "run/output_path.h"

#include <filesystem>

#include "tensor/check.h"

namespace gradus {

void make_parent_folders(const std::string& file) {
    const std::filesystem::path parent = std::filesystem::path(file).parent_path();
    if (parent.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    check(!error, "cannot make the folder ", parent.string(), " for ", file, ": ", error.message(),
          "; choose another path");
}

}  // namespace gradus
