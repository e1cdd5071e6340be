#include "data/image_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/class_folders.h"
#include "data/crop.h"
#include "data/image.h"
#include "data/read_file.h"
#include "tensor/check.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;

const char* const kSkips = " (--on-bad-image skip leaves such images out)";
constexpr uint64_t kMaxListBytes = uint64_t{1} << 30;
constexpr int64_t kMaxResized = int64_t{1} << 26;  // pixels, of a thread-like image

template <class... Parts>
void require(bool ok, const std::string& path, const Parts&... parts) {
    check_kind(ok, ErrorKind::data, "imagefolder: ", path, ": ", parts...);
}

class ImageFolder : public Dataset {
  public:
    ImageFolder(DatasetFacts facts, std::string folder, ImageList list, Preprocessing preprocessing)
        : Dataset(std::move(facts)),
          folder_(std::move(folder)),
          list_(std::move(list)),
          preprocessing_(preprocessing) {
        for (int64_t i = 0; i < list_.size(); ++i) {
            std::error_code missing;
            const uint64_t bytes = fs::file_size(path(i), missing);
            require(!missing || this->facts().skip_damaged, path(i),
                    "is missing or no file; mend the list or the link", kSkips);
            bytes_.push_back(missing ? 0 : bytes);
        }
    }

    int64_t label(int64_t index) const override { return list_.label(index); }

    // Name and size; a missing file has 0 bytes.
    std::string identity(int64_t index) const override {
        return join(list_.path(index), '\0', bytes_.at(index), '\0');
    }

    void image(int64_t index, uint8_t* pixels) const override {
        const Image image = read(index);
        const int64_t size = preprocessing_.image_size;
        const auto shorter =
            static_cast<int64_t>(std::floor(static_cast<double>(size) / preprocessing_.crop_pct));
        const Rectangle to = shorter_side_to(shorter, image.height, image.width);
        require(to.height * to.width <= kMaxResized, path(index), "its ", image.width, " x ",
                image.height, " pixels are too long to be resized");
        std::vector<uint8_t> resized(to.height * to.width * 3);
        resize(view(image), preprocessing_.interpolation, to.height, to.width, resized.data());
        const uint8_t* from =
            resized.data() +
            (centre_offset(to.height, size) * to.width + centre_offset(to.width, size)) * 3;
        for (int64_t y = 0; y < size; ++y) {
            std::copy_n(from + y * to.width * 3, size * 3, pixels + y * size * 3);
        }
    }

    void augmented(int64_t index, const Augmentation& augmentation, const Rng& rng,
                   uint8_t* pixels) const override {
        const int64_t size = preprocessing_.image_size;
        std::vector<uint8_t> cropped(image_shape().numel());
        if (augmentation.resized_crop) {
            const Image image = read(index);
            const Rectangle r = random_resized_crop(image.height, image.width, rng.split("crop"));
            resize(view(image).crop(r.top, r.left, r.height, r.width), preprocessing_.interpolation,
                   size, size, cropped.data());
        } else {
            image(index, cropped.data());
        }
        augment(augmentation, rng, image_shape(), cropped.data(), pixels);
    }

  private:
    std::string path(int64_t index) const { return folder_ + "/" + list_.path(index); }
    static ImageView view(const Image& image) {
        return {image.pixels.get(), image.height, image.width, 3, image.width * 3};
    }
    Image read(int64_t index) const {
        try {
            return read_image(path(index));
        } catch (const Error& error) {
            if (facts().skip_damaged || error.kind() != ErrorKind::data) throw;
            fail(ErrorKind::data, error.what(), kSkips);
        }
    }

    std::string folder_;
    ImageList list_;
    Preprocessing preprocessing_;
    std::vector<uint64_t> bytes_;  // of each file
};

std::vector<std::string> find_lists(const std::string& folder, const std::string& split) {
    std::vector<std::string> found;
    for (const char* place : {"/", "/meta/"}) {
        const std::string path = folder + place + split + ".txt";
        std::error_code ignored;
        if (fs::exists(path, ignored)) found.push_back(path);
    }
    return found;
}

int64_t highest_label(const ImageList& list) {
    int64_t highest = -1;
    for (int64_t i = 0; i < list.size(); ++i) highest = std::max(highest, list.label(i));
    return highest;
}

// One of the two parts of a data set: from a list, else from class folders.
struct Split {
    std::string name;                // "train" or "val"
    std::vector<std::string> lists;  // existing ones: the first counts
    ImageList images;
    std::vector<std::string> classes;

    Split(const std::string& folder, const std::string& name)
        : name(name), lists(find_lists(folder, name)) {}
    bool listed() const { return !lists.empty(); }

    void read_folders(ClassFolders found, std::vector<std::string>& notes) {
        images = std::move(found.images);
        classes = std::move(found.classes);
        if (!found.left_out.empty()) {
            notes.push_back(join("left out of ", name, "/: ", found.left_out));
        }
    }
    void read_list(std::vector<std::string>& notes) {
        images = parse_image_list(lists[0], read_file("imagefolder", lists[0], kMaxListBytes));
        require(images.size() > 0, lists[0], "has no images");
        notes.push_back(join(name, "/ by ", lists[0]));
        if (lists.size() > 1) notes.back() += join(", not by ", lists[1]);
    }
};

// Labels are numbers, which also name the classes.
std::vector<std::string> numbered_classes(const ImageList& images) {
    std::vector<std::string> classes;
    for (int64_t n = 0; n <= highest_label(images); ++n) classes.push_back(std::to_string(n));
    return classes;
}

Split read_train(const std::string& folder, std::vector<std::string>& notes) {
    Split train(folder, "train");
    if (train.listed()) {
        train.read_list(notes);
        train.classes = numbered_classes(train.images);
    } else {
        train.read_folders(read_class_folders(folder + "/train"), notes);
    }
    return train;
}

Split read_test(const std::string& folder, const Split& train, std::vector<std::string>& notes) {
    Split test(folder, "val");
    require(test.listed() || !train.listed(), train.listed() ? train.lists[0] : "",
            "says nothing of the test images; add val.txt");
    if (!test.listed()) {
        test.read_folders(read_class_folders(folder + "/val", train.classes), notes);
        return test;
    }
    test.read_list(notes);
    const auto classes = static_cast<int64_t>(train.classes.size());
    require(highest_label(test.images) < classes, test.lists[0], "label ",
            highest_label(test.images), " is out of range; the training images have ", classes,
            " classes");
    if (!train.listed()) notes.back() += ", whose labels count the sorted folders of train/";
    return test;
}

}  // namespace

ImageFolders open_image_folders(const std::string& folder, const DatasetFacts& common,
                                const Preprocessing& preprocessing) {
    ImageFolders result;
    Split train = read_train(folder, result.notes);
    Split test = read_test(folder, train, result.notes);
    DatasetFacts facts = common;
    facts.photographs = true;
    facts.may_flip = true;
    facts.image_shape = {preprocessing.image_size, preprocessing.image_size, 3};
    facts.classes = train.classes;
    const auto open = [&](Split& split) {
        facts.size = split.images.size();
        return std::make_shared<ImageFolder>(facts, folder + "/" + split.name,
                                             std::move(split.images), preprocessing);
    };
    result.train = open(train);
    result.test = open(test);
    return result;
}

}  // namespace gradus
