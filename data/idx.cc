#include "data/idx.h"

#include <filesystem>

#include "data/gzip.h"
#include "data/read_file.h"
#include "data/stored.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
constexpr int64_t kMaxSide = 4096;  // pixels

template <class... Parts>
void require(bool ok, const std::string& path, const Parts&... parts) {
    check_kind(ok, ErrorKind::data, "idx: ", path, ": ", parts...);
}

uint32_t big_endian(const std::vector<uint8_t>& bytes, size_t at) {
    return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 |
           uint32_t{bytes[at + 2]} << 8 | uint32_t{bytes[at + 3]};
}

}  // namespace

IdxArray read_idx(const std::string& path, int rank) {
    return parse_idx(path, read_file("idx", path, kMaxBytes), rank);
}

IdxArray parse_idx(const std::string& path, std::vector<uint8_t> bytes, int rank) {
    if (is_gzip(bytes)) bytes = gunzip(path, bytes, kMaxBytes);
    const size_t header = 4 + 4 * static_cast<size_t>(rank);
    require(bytes.size() >= header, path, "ends inside its header; fetch the file again");
    const uint32_t magic = big_endian(bytes, 0);
    const uint32_t expected = 0x0800u + static_cast<uint32_t>(rank);
    require(magic == expected, path, "wrong magic number ", magic, ", expected ", expected,
            rank == 3 ? " (images)" : " (labels)", "; is this the right file?");
    IdxArray array;
    uint64_t total = 1;
    for (int axis = 0; axis < rank; ++axis) {
        const uint32_t extent = big_endian(bytes, 4 + 4 * axis);
        const bool side_fits = axis == 0 || extent <= kMaxSide;
        require(extent >= 1 && side_fits && total * extent <= kMaxBytes, path, "extent ", extent,
                " of axis ", axis, " is out of range; the file is corrupt");
        total *= extent;
        array.extents.push_back(extent);
    }
    require(bytes.size() - header == total, path, "has ", bytes.size() - header,
            " bytes after its header, its extents need ", total, "; fetch the file again");
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<int64_t>(header));
    array.values = std::move(bytes);
    return array;
}

DatasetPtr open_idx(DatasetFacts facts, const std::string& images_path,
                    const std::string& labels_path) {
    IdxArray images = read_idx(images_path, 3);
    IdxArray labels = read_idx(labels_path, 1);
    require(labels.extents[0] == images.extents[0], labels_path, "has ", labels.extents[0],
            " labels, ", images_path, " has ", images.extents[0],
            " images; the two files do not belong together");
    for (size_t index = 0; index < labels.values.size(); ++index) {
        const size_t label = labels.values[index];
        require(label < facts.classes.size(), labels_path, "label ", label, " at index ", index,
                " is out of range; ", facts.name, " has ", facts.classes.size(), " classes");
    }
    facts.size = images.extents[0];
    facts.image_shape = {images.extents[1], images.extents[2], 1};
    return std::make_shared<StoredDataset>(std::move(facts), std::move(images.values),
                                           std::move(labels.values));
}

std::string find_idx(const std::string& folder, const std::string& name) {
    for (const char* suffix : {"", ".gz"}) {
        const std::filesystem::path path = std::filesystem::path(folder) / (name + suffix);
        std::error_code ignored;
        if (std::filesystem::exists(path, ignored)) return path.string();
    }
    return "";
}

}  // namespace gradus
