#include "data/cifar.h"

#include <algorithm>
#include <filesystem>

#include "data/read_file.h"
#include "data/stored.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;
constexpr uint64_t kMaxBytes = uint64_t{256} << 20;  // the largest file has 154 MB

template <class... Parts>
void require(bool ok, const Cifar& cifar, const std::string& path, const Parts&... parts) {
    check_kind(ok, ErrorKind::data, cifar.name, ": ", path, ": ", parts...);
}

std::vector<std::string> class_names(const Cifar& cifar, const std::string& folder) {
    const std::string path = folder + "/" + cifar.class_names;
    std::vector<std::string> names(1);
    for (const uint8_t byte : read_file(cifar.name, path, 1 << 16)) {
        if (byte != '\n' && byte != '\r') names.back() += static_cast<char>(byte);
        if (byte == '\n' && !names.back().empty()) names.emplace_back();
    }
    if (names.back().empty()) names.pop_back();
    require(static_cast<int64_t>(names.size()) == cifar.classes, cifar, path, "has ", names.size(),
            " names of classes, expected ", cifar.classes, "; fetch the archive again");
    return names;
}

}  // namespace

const Cifar& cifar10() {
    static const Cifar row{"cifar10",
                           1,
                           10,
                           "batches.meta.txt",
                           {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                            "data_batch_4.bin", "data_batch_5.bin"},
                           {"test_batch.bin"},
                           10000,
                           10000,
                           {0.4914f, 0.4822f, 0.4465f},
                           {0.2470f, 0.2435f, 0.2616f}};
    return row;
}

const Cifar& cifar100() {
    static const Cifar row{
        "cifar100",   2,     100,   "fine_label_names.txt",      {"train.bin"},
        {"test.bin"}, 50000, 10000, {0.5071f, 0.4865f, 0.4409f}, {0.2673f, 0.2564f, 0.2762f}};
    return row;
}

void parse_cifar(const Cifar& cifar, const std::string& path, std::span<const uint8_t> bytes,
                 int64_t records, CifarImages& images) {
    const int64_t record = cifar.label_bytes + 3 * kPlane;
    require(static_cast<int64_t>(bytes.size()) == records * record, cifar, path, "has ",
            bytes.size(), " bytes, expected ", records * record, " (", records, " records of ",
            record, "); fetch the archive again, in its binary version");
    const size_t before = images.pixels.size();
    images.pixels.resize(before + records * 3 * kPlane);
    uint8_t* to = images.pixels.data() + before;
    for (int64_t n = 0; n < records; ++n) {
        const uint8_t* from = bytes.data() + n * record;
        const uint8_t label = from[cifar.label_bytes - 1];
        require(label < cifar.classes, cifar, path, "label ", int{label}, " of record ", n,
                " is out of range; the file is corrupt, fetch the archive again");
        images.labels.push_back(label);
        from += cifar.label_bytes;
        for (int64_t i = 0; i < kPlane; ++i) {
            for (int64_t c = 0; c < 3; ++c) *to++ = from[c * kPlane + i];
        }
    }
}

DatasetPtr open_cifar(const Cifar& cifar, const std::string& folder, bool train) {
    DatasetFacts facts;
    facts.name = cifar.name;
    facts.classes = class_names(cifar, folder);
    facts.image_shape = {kSide, kSide, 3};
    facts.mean = cifar.mean;
    facts.deviation = cifar.deviation;
    facts.may_flip = true;
    const auto& files = train ? cifar.train : cifar.test;
    const int64_t records = train ? cifar.records : cifar.test_records;
    facts.size = records * static_cast<int64_t>(files.size());
    CifarImages images;
    images.pixels.reserve(facts.size * 3 * kPlane);
    images.labels.reserve(facts.size);
    for (const char* name : files) {
        const std::string path = folder + "/" + name;
        parse_cifar(cifar, path, read_file(cifar.name, path, kMaxBytes), records, images);
    }
    return std::make_shared<StoredDataset>(std::move(facts), std::move(images.pixels),
                                           std::move(images.labels));
}

std::vector<std::string> cifar_notes(const Cifar& cifar, const std::string& folder) {
    std::vector<std::string> notes;
    if (cifar.label_bytes > 1) notes.push_back("fine labels, the coarse ones are left out");
    const auto is_read = [&](const std::string& name) {
        const auto among = [&](const std::vector<const char*>& files) {
            return std::find(files.begin(), files.end(), name) != files.end();
        };
        return among(cifar.train) || among(cifar.test);
    };
    std::string others;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != end(entry); entry.increment(error)) {
        const std::filesystem::path path = entry->path();
        if (path.extension() != ".bin" || is_read(path.filename().string())) continue;
        others += (others.empty() ? "" : ", ") + path.filename().string();
    }
    if (!others.empty()) notes.push_back("left out: " + others);
    return notes;
}

}  // namespace gradus
