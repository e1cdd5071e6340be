#include "io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "io/atomic_file.h"
#include "io/input_file.h"
#include "io/sha256.h"

namespace gradus {

static_assert(std::endian::native == std::endian::little, "safetensors are little endian");

namespace {

using Json = nlohmann::json;

constexpr char kMetadata[] = "__metadata__";
constexpr char kWriterKey[] = "writer";
constexpr char kWriter[] = "gradus";
constexpr char kDigestKey[] = "gradus_sha256";
constexpr uint64_t kMaxHeader = 100 * 1000 * 1000;
constexpr size_t kMaxRank = 8;
constexpr DType kDTypes[] = {DType::F32, DType::F64, DType::I8, DType::U8, DType::I32, DType::I64};

// Types of the format that Tensor does not have, with their bits.
constexpr std::pair<const char*, uint64_t> kOtherTypes[] = {
    {"F4", 4},          {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"BOOL", 8},
    {"F8_E5M2", 8},     {"F8_E4M3", 8}, {"F8_E8M0", 8},     {"I16", 16},
    {"F8_E5M2FNUZ", 8}, {"U16", 16},    {"F8_E4M3FNUZ", 8}, {"F16", 16},
    {"BF16", 16},       {"U32", 32},    {"C64", 64},        {"U64", 64}};

using Tensors = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

// ---- digests --------------------------------------------------------------------------------

void update_number(Sha256& hash, int64_t number) {
    hash.update(&number, sizeof number);
}

void update_text(Sha256& hash, std::string_view text) {
    update_number(hash, static_cast<int64_t>(text.size()));
    hash.update(text.data(), text.size());
}

void update_tensors(Sha256& hash, const Tensors& tensors) {
    for (const auto& [name, tensor] : tensors) {
        const Tensor host = tensor.to(Device::cpu());
        update_text(hash, name);
        update_text(hash, dtype_name(host.dtype()));
        update_number(hash, host.shape().rank());
        for (int64_t extent : host.shape().extents()) update_number(hash, extent);
        hash.update(host.raw(), host.bytes());
    }
}

// Hashes tensors as in tensors_sha256, then the metadata: key and value, each after its length.
std::string file_digest(const Tensors& tensors, const Metadata& metadata) {
    Sha256 hash;
    update_tensors(hash, tensors);
    for (const auto& [key, value] : metadata) {
        if (key == kDigestKey) continue;
        update_text(hash, key);
        update_text(hash, value);
    }
    return hash.hex();
}

// ---- writing --------------------------------------------------------------------------------

// The reference's order: widest elements first, so that each tensor is aligned to them.
std::vector<Tensors::const_iterator> payload_order(const Tensors& tensors) {
    std::vector<Tensors::const_iterator> order;
    for (auto entry = tensors.begin(); entry != tensors.end(); ++entry) order.push_back(entry);
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return dtype_bytes(a->second.dtype()) > dtype_bytes(b->second.dtype());
    });
    return order;
}

std::string make_header(const std::vector<Tensors::const_iterator>& order,
                        const Metadata& metadata) {
    nlohmann::ordered_json header;
    header[kMetadata] = metadata;
    uint64_t offset = 0;
    for (const auto& entry : order) {
        const Tensor& tensor = entry->second;
        const uint64_t end = offset + tensor.bytes();
        header[entry->first] = {{"dtype", dtype_name(tensor.dtype())},
                                {"shape", tensor.shape().extents()},
                                {"data_offsets", {offset, end}}};
        offset = end;
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const Json::exception&) {
        fail(ErrorKind::runtime, "safetensors: tensor names and metadata must be UTF-8");
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
}

Metadata signed_metadata(const Tensors& tensors, Metadata metadata) {
    check(!tensors.count(kMetadata), "safetensors: a tensor cannot be named ", kMetadata);
    for (const char* ours : {kWriterKey, kDigestKey}) {
        check(!metadata.count(ours), "safetensors: the metadata key ", ours,
              " is the writer's own");
    }
    metadata[kWriterKey] = kWriter;
    metadata[kDigestKey] = file_digest(tensors, metadata);
    return metadata;
}

// ---- reading --------------------------------------------------------------------------------

struct Entry {
    std::string name;
    std::string dtype;
    uint64_t bits;  // of each element
    std::vector<int64_t> extents;
    uint64_t begin, end;  // in the payload
};

// Parses JSON more strictly than nlohmann's parser, which keeps the last of two equal keys and
// takes a zero byte for the end of the text.
Json parse_header(const InputFile& file, const std::string& text) {
    file.require(!text.empty() && text[0] == '{', "the header must begin with {");
    file.require(text.find('\0') == std::string::npos, "the header has a zero byte");
    std::vector<std::set<std::string>> keys;  // of the open objects
    const auto watch = [&](int depth, Json::parse_event_t event, const Json& value) {
        file.require(depth <= 3, "the header is nested too deeply");
        if (event == Json::parse_event_t::object_start) keys.emplace_back();
        if (event == Json::parse_event_t::object_end) keys.pop_back();
        if (event == Json::parse_event_t::key) {
            const std::string key = value.get<std::string>();
            file.require(keys.back().insert(key).second, "the header has the key ",
                         Json(key).dump(), " twice");
        }
        return true;
    };
    try {
        return Json::parse(text, watch);
    } catch (const Json::exception&) {
        file.corrupt("the header is not valid JSON; the file is corrupt");
    }
}

uint64_t unsigned_number(const InputFile& file, const Json& value) {
    file.require(value.is_number_unsigned(), "the header has ", value.dump(),
                 " where a non-negative integer belongs");
    return value.get<uint64_t>();
}

std::optional<DType> readable(const std::string& dtype) {
    for (const DType ours : kDTypes) {
        if (dtype == dtype_name(ours)) return ours;
    }
    return std::nullopt;
}

void parse_dtype(const InputFile& file, const Json& value, Entry& entry) {
    if (value.is_string()) entry.dtype = value.get<std::string>();
    const auto ours = readable(entry.dtype);
    const auto other = std::find_if(std::begin(kOtherTypes), std::end(kOtherTypes),
                                    [&](const auto& row) { return row.first == entry.dtype; });
    file.require(ours || other != std::end(kOtherTypes), "tensor ", entry.name, " has dtype ",
                 value.dump(), ", which the format does not have; the file is corrupt");
    entry.bits = ours ? 8 * static_cast<uint64_t>(dtype_bytes(*ours)) : other->second;
}

// "F16[64,3,7,7]"
std::string type_text(const Entry& entry) {
    std::string text;
    for (const int64_t extent : entry.extents) text += (text.empty() ? "" : ", ") + join(extent);
    return join(entry.dtype, '[', text, ']');
}

// The bytes that the shape needs; refuses what does not fit 63 bits.
uint64_t checked_bytes(const InputFile& file, const Entry& entry) {
    int64_t bits = static_cast<int64_t>(entry.bits);
    for (const int64_t extent : entry.extents) {
        file.require(extent >= 0 && !__builtin_mul_overflow(bits, extent, &bits), "tensor ",
                     entry.name, ": shape ", type_text(entry), " is too large");
    }
    return (static_cast<uint64_t>(bits) + 7) / 8;
}

Entry parse_entry(const InputFile& file, const std::string& key, const Json& value) {
    Entry entry;
    entry.name = Json(key).dump();  // one line, whatever the file contains
    const bool has_fields = value.is_object() && value.contains("dtype") &&
                            value.contains("shape") && value.contains("data_offsets");
    file.require(has_fields, "tensor ", entry.name, " must have dtype, shape and data_offsets");
    parse_dtype(file, value["dtype"], entry);
    const Json& shape = value["shape"];
    const Json& offsets = value["data_offsets"];
    file.require(shape.is_array() && offsets.is_array() && offsets.size() == 2, "tensor ",
                 entry.name, " has a malformed shape or malformed data_offsets");
    for (const Json& extent : shape) {
        entry.extents.push_back(static_cast<int64_t>(unsigned_number(file, extent)));
    }
    entry.begin = unsigned_number(file, offsets[0]);
    entry.end = unsigned_number(file, offsets[1]);
    file.require(entry.begin <= entry.end && entry.end - entry.begin == checked_bytes(file, entry),
                 "tensor ", entry.name, ": data_offsets ", offsets.dump(), " do not fit ",
                 type_text(entry));
    entry.name = key;
    return entry;
}

Metadata parse_metadata(const InputFile& file, const Json& value) {
    if (value.is_null()) return {};
    file.require(value.is_object(), "__metadata__ must be an object of strings");
    Metadata metadata;
    for (const auto& [key, text] : value.items()) {
        file.require(text.is_string(), "__metadata__ must be an object of strings");
        metadata[key] = text.get<std::string>();
    }
    return metadata;
}

// Returns the entries in the order of the payload, which they must fill exactly.
std::vector<Entry> parse_entries(const InputFile& file, const Json& header) {
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
        if (name != kMetadata) entries.push_back(parse_entry(file, name, value));
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    uint64_t offset = 0;
    for (const Entry& entry : entries) {
        file.require(entry.begin == offset, "the tensors leave a hole or overlap at byte ", offset,
                     " of the payload");
        offset = entry.end;
    }
    file.require(offset == file.remaining(), "the tensors need ", offset, " bytes, the file has ",
                 file.remaining(), " after its header; it is truncated or corrupt");
    return entries;
}

std::string read_header(InputFile& file) {
    uint64_t length = 0;
    file.read(&length, sizeof length, "the header's length");
    file.require(length <= kMaxHeader, "header of ", length, " bytes, at most ", kMaxHeader,
                 "; is this a safetensors file?");
    file.require(length <= file.remaining(), "ends inside the header; it is truncated or corrupt");
    std::string text(length, '\0');
    file.read(text.data(), length, "the header");
    return text;
}

// Checks our two metadata entries and removes them.
void verify(const InputFile& file, SafetensorsFile& content) {
    Metadata& metadata = content.metadata;
    const bool ours = metadata.count(kWriterKey) && metadata[kWriterKey] == kWriter;
    const auto digest = metadata.find(kDigestKey);
    if (!ours && digest == metadata.end()) return;
    const bool right = ours && digest != metadata.end() &&
                       digest->second == file_digest(content.tensors, metadata);
    file.require(right, "the content does not match its SHA-256; the file is corrupt");
    metadata.erase(kWriterKey);
    metadata.erase(kDigestKey);
}

}  // namespace

void save_safetensors(const std::string& path, const Tensors& tensors, const Metadata& metadata) {
    const auto order = payload_order(tensors);
    const std::string header = make_header(order, signed_metadata(tensors, metadata));
    const uint64_t length = header.size();
    check(length <= kMaxHeader, "safetensors: ", path, ": the header has ", length,
          " bytes, readers take at most ", kMaxHeader);
    AtomicFile file(path);
    file.write(&length, sizeof length);
    file.write(header.data(), header.size());
    for (const auto& entry : order) {
        const Tensor host = entry->second.to(Device::cpu());
        file.write(host.raw(), host.bytes());
    }
    file.commit();
}

SafetensorsFile load_safetensors(const std::string& path) {
    InputFile file("safetensors", path);
    const Json header = parse_header(file, read_header(file));
    SafetensorsFile content;
    if (header.contains(kMetadata)) content.metadata = parse_metadata(file, header[kMetadata]);
    for (const Entry& entry : parse_entries(file, header)) {
        const auto dtype = readable(entry.dtype);
        if (!dtype || entry.extents.size() > kMaxRank) {
            content.unreadable[entry.name] = type_text(entry);
            file.skip(entry.end - entry.begin);
            continue;
        }
        Tensor tensor = Tensor::empty(Shape(entry.extents), *dtype);
        file.read(tensor.raw(), tensor.bytes(), "a tensor");
        content.tensors.emplace(entry.name, std::move(tensor));
    }
    verify(file, content);
    return content;
}

std::string tensors_sha256(const Tensors& tensors) {
    Sha256 hash;
    update_tensors(hash, tensors);
    return hash.hex();
}

}  // namespace gradus
