// cifar -- records become images with channels innermost; each kind of damage is one line with the
// file.
#include "data/cifar.h"

#include <boost/test/unit_test.hpp>

#include "data/open_dataset.h"
#include "tests/files.h"

using namespace gradus;

namespace {

// Records whose image n has the value 40 n + 80 c + (row + 2 column) % 40 at (row, column, c).
std::vector<uint8_t> records_of(const Cifar& cifar, const std::vector<uint8_t>& labels) {
    std::vector<uint8_t> bytes;
    for (size_t n = 0; n < labels.size(); ++n) {
        if (cifar.label_bytes == 2) bytes.push_back(19);  // coarse
        bytes.push_back(labels[n]);
        for (int i = 0; i < 3 * 1024; ++i) {
            const int c = i / 1024, row = i / 32 % 32, column = i % 32;
            bytes.push_back(static_cast<uint8_t>(40 * n + 80 * c + (row + 2 * column) % 40));
        }
    }
    return bytes;
}

bool refused(const Cifar& cifar, const std::vector<uint8_t>& bytes, const std::string& reason) {
    CifarImages images;
    return throws(ErrorKind::data, {cifar.name, "the/file", reason},
                  [&] { parse_cifar(cifar, "the/file", bytes, 2, images); });
}

// Files of the right sizes that use no disk: zeros, except for the last record's `label`.
void write_files(const TemporaryFolder& folder, const Cifar& cifar, char label) {
    std::string names;
    for (int i = 0; i < cifar.classes; ++i) names += "class" + std::to_string(i) + "\n";
    folder.file(cifar.class_names, names + "\n");
    const int64_t record = cifar.label_bytes + 3072;
    const auto write = [&](const char* name, int64_t records) {
        const std::string path = folder.file(name, "");
        std::filesystem::resize_file(path, records * record);
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp((records - 1) * record + cifar.label_bytes - 1);
        file.put(label);
        file.put('\x07');  // its first red pixel
    };
    for (const char* name : cifar.train) write(name, cifar.records);
    for (const char* name : cifar.test) write(name, cifar.test_records);
}

DatasetOptions options(const std::string& name, const std::string& path) {
    DatasetOptions result;
    result.name = name;
    result.path = path;
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cifar, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(records_become_images) {
    for (const Cifar* cifar : {&cifar10(), &cifar100()}) {
        CifarImages images;
        parse_cifar(*cifar, "file", records_of(*cifar, {3, 9}), 2, images);
        parse_cifar(*cifar, "file", records_of(*cifar, {0}), 1, images);
        BOOST_TEST(images.labels == (std::vector<uint8_t>{3, 9, 0}));
        BOOST_REQUIRE(images.pixels.size() == 3u * 3072);
        const auto at = [&](int n, int row, int column, int c) {
            return int{images.pixels[((n * 32 + row) * 32 + column) * 3 + c]};
        };
        BOOST_TEST(at(0, 0, 0, 2) == 160);
        BOOST_TEST(at(1, 5, 7, 1) == 40 + 80 + 19);
        BOOST_TEST(at(2, 31, 30, 0) == (31 + 60) % 40);
    }
}

BOOST_AUTO_TEST_CASE(damaged_files_are_refused) {
    const Cifar& cifar = cifar10();
    std::vector<uint8_t> bytes = records_of(cifar, {3, 9});
    bytes.push_back(0);
    BOOST_TEST(refused(cifar, bytes, "has 6147 bytes, expected 6146"));
    bytes.resize(6145);
    BOOST_TEST(refused(cifar, bytes, "has 6145 bytes"));
    BOOST_TEST(refused(cifar, {}, "has 0 bytes"));
    BOOST_TEST(refused(cifar, records_of(cifar, {3, 10}), "label 10 of record 1"));
    BOOST_TEST(refused(cifar100(), records_of(cifar100(), {100, 0}), "label 100 of record 0"));
    BOOST_TEST(refused(cifar, records_of(cifar100(), {1, 1}), "has 6148 bytes"));
}

BOOST_AUTO_TEST_CASE(whole_folders_are_opened) {
    for (const Cifar* cifar : {&cifar10(), &cifar100()}) {
        const TemporaryFolder folder;
        write_files(folder, *cifar, 9);
        const DataSplits data = open_dataset(options(cifar->name, folder.path("")));
        BOOST_TEST(data.train->size() == 50000);
        BOOST_TEST(data.test->size() == 10000);
        BOOST_TEST(data.train->image_shape() == (Shape{32, 32, 3}));
        BOOST_TEST(data.train->class_count() == cifar->classes);
        BOOST_TEST(data.train->facts().classes[9] == "class9");
        BOOST_TEST(data.train->label(cifar->records - 1) == 9);
        BOOST_TEST(data.train->label(cifar->records - 2) == 0);
        std::vector<uint8_t> pixels(3072);
        data.test->image(9999, pixels.data());
        BOOST_TEST(pixels[0] == 7);
        BOOST_CHECK_THROW(data.test->image(10000, pixels.data()), Error);
        const bool fine = cifar->label_bytes > 1;
        const std::string& line = data.announcement;
        BOOST_TEST((line.find("fine labels, the coarse ones are left out") != line.npos) == fine);
        BOOST_TEST(line.find("left out: ") == line.npos, line);
        folder.file("data_batch_6.bin", "x");
        BOOST_TEST(open_dataset(options(cifar->name, folder.path("")))
                       .announcement.find("; left out: data_batch_6.bin") != line.npos);
    }
}

BOOST_AUTO_TEST_CASE(folders_are_checked) {
    const TemporaryFolder folder;
    const auto refused = [&](const char* name, const std::vector<std::string>& parts) {
        BOOST_CHECK(
            throws(ErrorKind::data, parts, [&] { open_dataset(options(name, folder.path(""))); }));
    };
    BOOST_CHECK(throws(ErrorKind::data, {"cifar10", "--data-path"},
                       [&] { open_dataset(options("cifar10", "")); }));
    refused("cifar10", {"batches.meta.txt", "is missing", "--data-path"});
    write_files(folder, cifar10(), 9);
    folder.file("data_batch_4.bin", "short");
    refused("cifar10", {folder.path(""), "data_batch_4.bin", "has 5 bytes, expected 30730000"});
    std::filesystem::remove(folder.path("data_batch_4.bin"));
    refused("cifar10", {"data_batch_4.bin", "is missing"});
    folder.file("batches.meta.txt", "cat\ndog\n");
    refused("cifar10", {"batches.meta.txt", "has 2 names of classes, expected 10"});
}

BOOST_AUTO_TEST_SUITE_END()
