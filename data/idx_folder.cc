#include "data/idx_folder.h"

#include <algorithm>
#include <filesystem>

#include "data/idx.h"
#include "tensor/check.h"

namespace gradus {

namespace {

struct KnownFile {
    const char* set;
    const char* sha256;
};

// Hashes of training images and labels, test images and labels, unpacked. Fashion-MNIST's are from
// Debian's package, MNIST's from projects that verify their downloads.
constexpr KnownFile kKnownFiles[] = {
    {"fashion-mnist", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
    {"fashion-mnist", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
    {"fashion-mnist", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
    {"fashion-mnist", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
    {"mnist", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
    {"mnist", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
    {"mnist", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
    {"mnist", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
};

DatasetFacts fashion_mnist() {
    DatasetFacts facts;
    facts.name = "fashion-mnist";
    facts.classes = {"t-shirt", "trouser", "pullover", "dress", "coat",
                     "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};
    facts.mean = {0.2860f};
    facts.deviation = {0.3530f};
    facts.may_flip = true;
    return facts;
}

DatasetFacts mnist() {
    DatasetFacts facts;
    facts.name = "mnist";
    facts.classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    facts.mean = {0.1307f};
    facts.deviation = {0.3081f};
    return facts;
}

std::string file_name(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

// The data set that contains the file; empty if unknown.
std::string known_set(const IdxArray& array) {
    const auto row =
        std::find_if(std::begin(kKnownFiles), std::end(kKnownFiles),
                     [&](const KnownFile& file) { return file.sha256 == array.sha256; });
    return row == std::end(kKnownFiles) ? "" : row->set;
}

class Reader {
  public:
    Reader(const std::string& folder, const std::string& asked) : folder_(folder), asked_(asked) {}

    IdxFolder read() {
        IdxArray train = file("train-images-idx3-ubyte", 3);
        IdxArray train_labels = file("train-labels-idx1-ubyte", 1);
        IdxArray test = file("t10k-images-idx3-ubyte", 3);
        IdxArray test_labels = file("t10k-labels-idx1-ubyte", 1);
        const DatasetFacts facts = tell({&train, &train_labels, &test, &test_labels});
        result_.train = pair_idx(facts, std::move(train), std::move(train_labels));
        result_.test = pair_idx(facts, std::move(test), std::move(test_labels));
        const Shape &a = result_.train->image_shape(), &b = result_.test->image_shape();
        check_kind(a == b, ErrorKind::data, facts.name, ": training images are ", a,
                   ", test images are ", b, " in ", folder_, "; the files do not belong together");
        return std::move(result_);
    }

  private:
    IdxArray file(const std::string& name, int rank) {
        const std::vector<std::string> paths = find_idx(folder_, name);
        const std::string set = asked_ == "auto" ? "fashion-mnist" : asked_;
        check_kind(!paths.empty(), ErrorKind::data, set, ": no ", name, " or ", name, ".gz in ",
                   folder_, "; give their folder by --data-path, say what is there by ",
                   "--dataset (--list-datasets), or use --dataset synthetic");
        for (size_t i = 1; i < paths.size(); ++i) {
            result_.notes.push_back(
                join("left out: ", file_name(paths[i]), ", as ", file_name(paths[0]), " is there"));
        }
        return read_idx(paths[0], rank);
    }

    DatasetFacts tell(const std::vector<const IdxArray*>& arrays) {
        const IdxArray* sure = nullptr;
        std::vector<std::string> strange;
        for (const IdxArray* array : arrays) {
            const std::string set = known_set(*array);
            if (set.empty()) strange.push_back(file_name(array->path));
            if (set.empty() || (sure && set == known_set(*sure))) continue;
            check_kind(!sure, ErrorKind::data, array->path, " is ", set, "'s by its SHA-256, ",
                       sure ? file_name(sure->path) + " is " + known_set(*sure) : "",
                       "'s; the files do not belong together");
            sure = array;
        }
        if (!sure) return assume();
        const std::string set = known_set(*sure);
        check_kind(asked_ == "auto" || asked_ == set, ErrorKind::data, asked_, ": ", sure->path,
                   " is ", set, "'s by its SHA-256; say --dataset ", set);
        for (const std::string& name : strange) {
            result_.notes.push_back(join(name, " is not the published one"));
        }
        return set == "mnist" ? mnist() : fashion_mnist();
    }

    DatasetFacts assume() {
        result_.notes.push_back(
            asked_ == "auto"
                ? "by their SHA-256 the files are of no known set: taken for fashion-mnist, which "
                  "may "
                  "be mirrored; --dataset mnist says otherwise"
                : join("by their SHA-256 not the files that were published as ", asked_));
        return asked_ == "mnist" ? mnist() : fashion_mnist();
    }

    std::string folder_, asked_;
    IdxFolder result_;
};

}  // namespace

IdxFolder open_idx_folder(const std::string& folder, const std::string& asked) {
    return Reader(folder, asked).read();
}

}  // namespace gradus
