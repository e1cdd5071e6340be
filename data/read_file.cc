#include "data/read_file.h"

#include <filesystem>
#include <fstream>

#include "tensor/check.h"

namespace gradus {

std::vector<uint8_t> read_file(const std::string& format, const std::string& path, uint64_t limit) {
    const auto require = [&](bool ok, const auto&... parts) {
        check_kind(ok, ErrorKind::data, format, ": ", path, ": ", parts...);
    };
    std::error_code error;
    const bool regular = std::filesystem::is_regular_file(path, error);
    require(regular, "is missing or not a file; check --data-path");
    const uint64_t size = std::filesystem::file_size(path, error);
    require(!error && size <= limit, "has more than ", limit >> 20,
            " MiB; is this the right file?");
    std::vector<uint8_t> bytes(size);
    std::ifstream in(path, std::ios::binary);
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    require(in.good(), "cannot be read; check its permissions and the disk");
    return bytes;
}

}  // namespace gradus
