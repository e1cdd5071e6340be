// idx -- plain and packed files read alike; each kind of damage is one line that names the file.
#include "data/idx.h"

#include <boost/test/unit_test.hpp>

#include "data/gzip.h"
#include "data/open_dataset.h"
#include "io/sha256.h"
#include "tests/files.h"

using namespace gradus;

namespace {

std::string big_endian(uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 255);
    return bytes;
}

std::string idx_bytes(const std::vector<uint32_t>& extents, const std::string& payload) {
    std::string bytes = big_endian(0x0800u + static_cast<uint32_t>(extents.size()));
    for (uint32_t extent : extents) bytes += big_endian(extent);
    return bytes + payload;
}

// Three images of 2 x 2 with labels 1, 0, 2.
const std::string kImages = idx_bytes({3, 2, 2}, "abcdefghijkl");
const std::string kLabels = idx_bytes({3}, std::string("\x01\x00\x02", 3));

// kImages, packed by Python's gzip.compress(..., 9, mtime=0).
constexpr char kPackedBytes[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x60\x66\x60\x60\x00\x61\x26\x10\x4e"
    "\x4c\x4a\x4e\x49\x4d\x4b\xcf\xc8\xcc\xca\xce\x01\x00\x22\x96\x67\xa2\x1c\x00\x00\x00";
const std::string kPacked(kPackedBytes, sizeof kPackedBytes - 1);

// A build with ZLIB=0 reports that instead of unpacking; then there is nothing else to test.
bool can_unpack() {
    const std::vector<uint8_t> bytes(kPacked.begin(), kPacked.end());
    try {
        gunzip("probe", bytes, 1000);
    } catch (const Error& error) {
        BOOST_TEST(std::string(error.what()).find("no zlib") != std::string::npos);
        return false;
    }
    return true;
}

DatasetFacts three_classes() {
    DatasetFacts facts;
    facts.name = "letters";
    facts.classes = {"x", "y", "z"};
    facts.mean = {0};
    facts.deviation = {1};
    return facts;
}

bool refused(const std::string& bytes, int rank, const std::string& reason) {
    const TemporaryFolder folder;
    const std::string path = folder.file("bad", bytes);
    return throws(ErrorKind::data, {path, reason}, [&] { read_idx(path, rank); });
}

std::string write_set(const TemporaryFolder& folder) {
    folder.file("train-images-idx3-ubyte", kImages);
    folder.file("train-labels-idx1-ubyte", kLabels);
    folder.file("t10k-images-idx3-ubyte", kImages);
    folder.file("t10k-labels-idx1-ubyte", kLabels);
    return folder.path("");
}

DatasetOptions options(const std::string& name, const std::string& path,
                       const std::string& system_path = "") {
    DatasetOptions result;
    result.name = name;
    result.path = path;
    result.system_path = system_path;
    return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(idx, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(a_plain_pair_is_read) {
    const TemporaryFolder folder;
    const DatasetPtr data =
        open_idx(three_classes(), folder.file("i", kImages), folder.file("l", kLabels));
    BOOST_TEST(data->size() == 3);
    BOOST_TEST(data->image_shape() == (Shape{2, 2, 1}));
    std::string pixels(4, ' ');
    data->image(1, reinterpret_cast<uint8_t*>(pixels.data()));
    BOOST_TEST(pixels == "efgh");
    BOOST_TEST(data->label(2) == 2);
    BOOST_CHECK_THROW(data->image(3, reinterpret_cast<uint8_t*>(pixels.data())), Error);
}

BOOST_AUTO_TEST_CASE(a_packed_file_is_read_whatever_its_name) {
    if (!can_unpack()) return;
    const TemporaryFolder folder;
    const IdxArray array = read_idx(folder.file("images", kPacked), 3);
    BOOST_TEST(array.extents == (std::vector<int64_t>{3, 2, 2}));
    BOOST_TEST(std::string(array.values.begin(), array.values.end()) == "abcdefghijkl");
    BOOST_TEST(read_idx(folder.file("images.gz", kImages), 3).values == array.values);
}

BOOST_AUTO_TEST_CASE(damaged_packed_files_are_refused) {
    if (!can_unpack()) return;
    for (size_t length = 2; length < kPacked.size(); ++length) {
        BOOST_TEST(refused(kPacked.substr(0, length), 3, "gzip: "));
    }
    BOOST_TEST(
        refused(kPacked + "x", 3, "1 bytes after its end that are neither gzip nor padding"));
    BOOST_TEST(refused(kPacked + kPacked.substr(0, 40), 3, "truncated or corrupt"));
    BOOST_TEST(refused(kPacked + kPacked, 3, "40 bytes after its header, its extents need 12"));
    std::string bytes = kPacked;
    bytes[bytes.size() - 8] ^= 1;
    BOOST_TEST(refused(bytes, 3, "truncated or corrupt"));  // the CRC
    bytes = kPacked;
    bytes[bytes.size() - 4] -= 1;
    BOOST_TEST(refused(bytes, 3, "truncated or corrupt"));  // one byte less than it unpacks to
    bytes = kPacked;
    bytes[bytes.size() - 2] = 1;
    BOOST_TEST(refused(bytes, 3, "truncated or corrupt"));  // more than it can hold
    const std::vector<uint8_t> whole(kPacked.begin(), kPacked.end());
    BOOST_TEST(gunzip("f", whole, 28).size() == 28u);
    BOOST_CHECK(throws(ErrorKind::data, {"f: unpacks to more than 27 bytes"},
                       [&] { gunzip("f", whole, 27); }));
}

// RFC 1952, 2.2: a file is members one after the other; tar and tapes pad with zeros.
BOOST_AUTO_TEST_CASE(several_members_and_padding_are_read) {
    if (!can_unpack()) return;
    const std::string twice = kPacked + kPacked;
    const std::vector<uint8_t> once(kPacked.begin(), kPacked.end());
    std::vector<uint8_t> expected = gunzip("f", once, 1000);
    const size_t size = expected.size();
    expected.resize(2 * size);
    std::copy_n(expected.begin(), size, expected.begin() + static_cast<int64_t>(size));
    for (const size_t zeros : {0, 1, 511, 9000}) {
        const std::string padded = twice + std::string(zeros, '\0');
        BOOST_TEST(gunzip("f", {padded.begin(), padded.end()}, 1000) == expected);
    }
    std::string many;
    for (int i = 0; i < 1000; ++i) many += kPacked;  // beyond the first guess of the size
    BOOST_TEST(gunzip("f", {many.begin(), many.end()}, 28000).size() == 28000u);
    BOOST_CHECK(throws(ErrorKind::data, {"more than 27999 bytes"}, [&] {
        gunzip("f", {many.begin(), many.end()}, 27999);
    }));
}

BOOST_AUTO_TEST_CASE(other_types_and_ranks_are_named) {
    const auto with_type = [](char type) {
        std::string bytes = kImages;
        bytes[2] = type;
        return bytes;
    };
    BOOST_TEST(refused(with_type(9), 3, "holds signed bytes (type 9)"));
    BOOST_TEST(refused(with_type(11), 3, "holds 16-bit integers (type 11)"));
    BOOST_TEST(refused(with_type(12), 3, "holds 32-bit integers (type 12)"));
    BOOST_TEST(refused(with_type(13), 3, "holds 32-bit floats (type 13)"));
    BOOST_TEST(refused(with_type(14), 3, "holds 64-bit floats (type 14)"));
    BOOST_TEST(refused(with_type(10), 3, "is no IDX file"));
    BOOST_TEST(refused("PK\x08\x03" + kImages, 3, "is no IDX file"));
    BOOST_TEST(
        refused(idx_bytes({3, 8}, std::string(24, 'x')), 1, "has 2 axes, expected 1 (labels)"));
}

BOOST_AUTO_TEST_CASE(damaged_plain_files_are_refused) {
    for (size_t length = 0; length < kImages.size(); ++length) {
        BOOST_TEST(refused(kImages.substr(0, length), 3,
                           length < 16 ? "ends inside its header" : "is truncated: it has"));
    }
    BOOST_TEST(
        refused(kImages + "x", 3, "has 13 bytes after its header, its extents need 12: 1 too"));
    BOOST_TEST(refused(kLabels, 3, "has 1 axis, expected 3 (images)"));
    BOOST_TEST(refused(kImages, 1, "has 3 axes, expected 1 (labels)"));
    BOOST_TEST(refused(idx_bytes({3, 0, 2}, ""), 3, "extent 0 of axis 1"));
    BOOST_TEST(refused(idx_bytes({3, 5000, 2}, ""), 3, "extent 5000 of axis 1"));
    BOOST_TEST(refused(idx_bytes({0xffffffff, 4096, 4096}, ""), 3, "extent 4294967295 of axis 0"));
    BOOST_TEST(refused(idx_bytes({70, 4096, 4096}, ""), 3, "extent 4096 of axis 2"));
}

BOOST_AUTO_TEST_CASE(pairs_must_fit) {
    const TemporaryFolder folder;
    const std::string images = folder.file("images", kImages);
    const std::string few = folder.file("few", idx_bytes({2}, std::string(2, '\0')));
    const std::string high = folder.file("high", idx_bytes({3}, std::string("\x00\x03\x02", 3)));
    BOOST_CHECK(throws(ErrorKind::data, {few, images, "2 labels", "3 images"},
                       [&] { open_idx(three_classes(), images, few); }));
    BOOST_CHECK(throws(ErrorKind::data, {high, "label 3 at index 1", "letters has 3 classes"},
                       [&] { open_idx(three_classes(), images, high); }));
    BOOST_CHECK(throws(ErrorKind::data, {"nowhere", "missing"},
                       [&] { open_idx(three_classes(), images, folder.path("nowhere")); }));
}

BOOST_AUTO_TEST_CASE(auto_takes_the_files_it_finds_or_draws) {
    const TemporaryFolder folder, empty;
    const std::string files = write_set(folder);
    const DataSplits given = open_dataset(options("auto", files));
    BOOST_TEST(given.train->facts().name == "fashion-mnist");
    BOOST_TEST(given.test->size() == 3);
    BOOST_TEST(
        given.announcement ==
        "data: fashion-mnist, 3 training and 3 test images of 2 x 2 x 1 in 10 classes, in " +
            files +
            "; by their SHA-256 the files are of no known set: taken for fashion-mnist, which "
            "may be mirrored; --dataset mnist says otherwise; 7 classes have no training "
            "images (dress, coat, sandal, ...)");
    const DataSplits system = open_dataset(options("auto", "", files));
    BOOST_TEST(system.train->facts().name == "fashion-mnist");
    const DataSplits drawn = open_dataset(options("auto", "", empty.path("")));
    BOOST_TEST(drawn.train->facts().name == "synthetic");
    BOOST_TEST(drawn.train->size() == 12000);
    BOOST_TEST(drawn.test->size() == 2000);
    BOOST_TEST(drawn.announcement.find("there is no Fashion-MNIST in " + empty.path("")) !=
               std::string::npos);
    BOOST_TEST(drawn.announcement.find('\n') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(names_and_folders_are_checked) {
    const TemporaryFolder folder, empty;
    const std::string files = write_set(folder);
    BOOST_CHECK(throws(ErrorKind::usage,
                       {"no data set is called fashion", "fashion-mnist", "synthetic"},
                       [&] { open_dataset(options("fashion", files)); }));
    BOOST_CHECK(throws(ErrorKind::data, {"no train-images-idx3-ubyte", "--data-path"},
                       [&] { open_dataset(options("auto", empty.path(""))); }));
    BOOST_CHECK(throws(ErrorKind::data, {"no train-images-idx3-ubyte", "--dataset synthetic"},
                       [&] { open_dataset(options("fashion-mnist", "", empty.path(""))); }));
    BOOST_CHECK(throws(ErrorKind::data, {"mnist", "--data-path"},
                       [&] { open_dataset(options("mnist", "", files)); }));
    const DatasetFacts mnist = open_dataset(options("mnist", files)).train->facts();
    BOOST_TEST(mnist.mean[0] == 0.1307f);
    BOOST_TEST(mnist.deviation[0] == 0.3081f);
    BOOST_TEST(!mnist.may_flip);
    folder.file("t10k-images-idx3-ubyte", idx_bytes({3, 1, 4}, "abcdefghijkl"));
    BOOST_CHECK(throws(ErrorKind::data, {"[2, 2, 1]", "[1, 4, 1]", "do not belong together"},
                       [&] { open_dataset(options("mnist", files)); }));
}

std::string note_of(const DatasetOptions& options) {
    const std::string line = open_dataset(options).announcement;
    const size_t at = line.find("; ");
    return at == line.npos ? "" : line.substr(at + 2);
}

BOOST_AUTO_TEST_CASE(what_is_assumed_or_left_out_is_named) {
    const TemporaryFolder folder;
    const std::string files = write_set(folder);
    BOOST_TEST(note_of(options("mnist", files)) ==
               "by their SHA-256 not the files that were published as mnist; 7 classes have no "
               "training images (3, 4, 5, ...)");
    folder.file("train-labels-idx1-ubyte", idx_bytes({3}, std::string("\x03\x04\x04", 3)));
    BOOST_TEST(note_of(options("mnist", files)) ==
               "by their SHA-256 not the files that were published as mnist; 8 classes have no "
               "training images (0, 1, 2, ...): labels begin at 3; 3 test images are of classes "
               "without training images (0, 1, 2); 2 classes have no test images (3, 4)");
    std::string all(10, '\0');
    for (int i = 0; i < 10; ++i) all[i] = static_cast<char>(i);
    for (const std::string split : {"train", "t10k"}) {
        folder.file(split + "-images.idx3-ubyte", idx_bytes({10, 1, 1}, all));
        folder.file(split + "-labels.idx1-ubyte", idx_bytes({10}, all));
    }
    BOOST_TEST(note_of(options("mnist", files))
                   .find("left out: train-images.idx3-ubyte, as "
                         "train-images-idx3-ubyte is there") == 0u);
    for (const std::string split : {"train", "t10k"}) {
        std::filesystem::remove(folder.path(split + "-images-idx3-ubyte"));
        std::filesystem::remove(folder.path(split + "-labels-idx1-ubyte"));
    }
    BOOST_TEST(note_of(options("mnist", files)) ==
               "by their SHA-256 not the files that were published as mnist");
}

BOOST_AUTO_TEST_CASE(known_files_are_told_by_their_hash) {
    const std::string debian = DatasetOptions().system_path;
    if (find_idx(debian, "train-images-idx3-ubyte").empty() || !can_unpack()) return;
    BOOST_TEST(note_of(options("auto", debian)) == "");
    BOOST_CHECK(throws(ErrorKind::data, {"mnist: ", "fashion-mnist's", "--dataset fashion-mnist"},
                       [&] { open_dataset(options("mnist", debian)); }));
    const TemporaryFolder folder;
    for (const std::string name :
         {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"}) {
        std::filesystem::create_symlink(find_idx(debian, name)[0], folder.path(name + ".gz"));
    }
    folder.file("t10k-labels-idx1-ubyte", idx_bytes({10000}, std::string(10000, '\1')));
    BOOST_TEST(note_of(options("auto", folder.path(""))) ==
               "t10k-labels-idx1-ubyte is not the published one; 9 classes have no test images "
               "(t-shirt, pullover, dress, ...)");
}

BOOST_AUTO_TEST_CASE(debian_s_fashion_mnist_is_whole) {
    const DatasetOptions system;
    if (find_idx(system.system_path, "train-images-idx3-ubyte").empty() || !can_unpack()) return;
    DatasetOptions named = system;
    named.name = "fashion-mnist";
    const DataSplits data = open_dataset(named);
    BOOST_TEST(data.train->size() == 60000);
    BOOST_TEST(data.test->size() == 10000);
    BOOST_TEST(data.train->image_shape() == (Shape{28, 28, 1}));
    BOOST_TEST(data.train->label(0) == 9);
    std::vector<int> counts(10);
    for (int64_t i = 0; i < data.test->size(); ++i) ++counts[data.test->label(i)];
    BOOST_TEST(counts == std::vector<int>(10, 1000));
}

BOOST_AUTO_TEST_CASE(the_hash_sees_pixels_labels_and_shape) {
    const auto hash = [](const std::string& images, const std::string& labels) {
        const TemporaryFolder folder;
        Sha256 digest;
        hash_dataset(*open_idx(three_classes(), folder.file("i", images), folder.file("l", labels)),
                     digest);
        return digest.hex();
    };
    const std::string other_labels = idx_bytes({3}, std::string("\x01\x00\x01", 3));
    BOOST_TEST(hash(kImages, kLabels) == hash(kImages, kLabels));
    BOOST_TEST(hash(kImages, kLabels) != hash(kImages, other_labels));
    BOOST_TEST(hash(kImages, kLabels) != hash(idx_bytes({3, 2, 2}, "abcdefghijkm"), kLabels));
    BOOST_TEST(hash(kImages, kLabels) != hash(idx_bytes({3, 1, 4}, "abcdefghijkl"), kLabels));
}

BOOST_AUTO_TEST_SUITE_END()
