#include "data/idx.h"

#include <filesystem>

#include "data/gzip.h"
#include "data/read_file.h"
#include "data/stored.h"
#include "io/sha256.h"
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

// The names of the format's description on MNIST's page; empty for an unknown type.
std::string type_name(uint8_t type) {
    switch (type) {
        case 8:
            return "unsigned bytes";
        case 9:
            return "signed bytes";
        case 11:
            return "16-bit integers";
        case 12:
            return "32-bit integers";
        case 13:
            return "32-bit floats";
        case 14:
            return "64-bit floats";
        default:
            return "";
    }
}

void check_magic(const std::string& path, const std::vector<uint8_t>& bytes, int rank) {
    require(bytes.size() >= 4, path, "ends inside its header; fetch the file again");
    const std::string type = type_name(bytes[2]);
    require(bytes[0] == 0 && bytes[1] == 0 && !type.empty(), path,
            "is no IDX file: its magic number is ", big_endian(bytes, 0));
    require(bytes[2] == 8, path, "holds ", type, " (type ", int{bytes[2]},
            "), expected unsigned bytes (type 8); convert it");
    require(bytes[3] == rank, path, "has ", int{bytes[3]}, bytes[3] == 1 ? " axis" : " axes",
            ", expected ", rank, rank == 3 ? " (images)" : " (labels)",
            "; is this the right file?");
}

}  // namespace

IdxArray read_idx(const std::string& path, int rank) {
    std::vector<uint8_t> bytes = read_file("idx", path, kMaxBytes);
    if (is_gzip(bytes)) bytes = gunzip(path, bytes, kMaxBytes);
    check_magic(path, bytes, rank);
    const size_t header = 4 + 4 * static_cast<size_t>(rank);
    require(bytes.size() >= header, path, "ends inside its header; fetch the file again");
    IdxArray array;
    array.path = path;
    uint64_t total = 1;
    for (int axis = 0; axis < rank; ++axis) {
        const uint32_t extent = big_endian(bytes, 4 + 4 * axis);
        const bool side_fits = axis == 0 || extent <= kMaxSide;
        require(extent >= 1 && side_fits && total * extent <= kMaxBytes, path, "extent ", extent,
                " of axis ", axis, " is out of range; the file is corrupt");
        total *= extent;
        array.extents.push_back(extent);
    }
    const uint64_t found = bytes.size() - header;
    require(found >= total, path, "is truncated: it has ", found,
            " bytes after its header, its extents need ", total, "; fetch the file again");
    require(found <= total, path, "has ", found, " bytes after its header, its extents need ",
            total, ": ", found - total, " too many; fetch the file again");
    array.sha256 = sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<int64_t>(header));
    array.values = std::move(bytes);
    return array;
}

DatasetPtr pair_idx(DatasetFacts facts, IdxArray images, IdxArray labels) {
    require(labels.extents[0] == images.extents[0], labels.path, "has ", labels.extents[0],
            " labels, ", images.path, " has ", images.extents[0],
            " images; the two files do not belong together");
    for (size_t index = 0; index < labels.values.size(); ++index) {
        const size_t label = labels.values[index];
        require(label < facts.classes.size(), labels.path, "label ", label, " at index ", index,
                " is out of range; ", facts.name, " has ", facts.classes.size(), " classes");
    }
    facts.size = images.extents[0];
    facts.image_shape = {images.extents[1], images.extents[2], 1};
    return std::make_shared<StoredDataset>(std::move(facts), std::move(images.values),
                                           std::move(labels.values));
}

DatasetPtr open_idx(const DatasetFacts& facts, const std::string& images_path,
                    const std::string& labels_path) {
    return pair_idx(facts, read_idx(images_path, 3), read_idx(labels_path, 1));
}

std::vector<std::string> find_idx(const std::string& folder, const std::string& name) {
    std::string dotted = name;
    if (const size_t at = name.find("-idx"); at != name.npos) dotted[at] = '.';
    std::vector<std::string> found;
    for (const std::string& file : {name, name + ".gz", dotted, dotted + ".gz"}) {
        const std::filesystem::path path = std::filesystem::path(folder) / file;
        std::error_code ignored;
        if (std::filesystem::is_regular_file(path, ignored)) found.push_back(path.string());
    }
    return found;
}

}  // namespace gradus
