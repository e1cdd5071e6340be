#include "data/image_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/crop.h"
#include "data/image.h"
#include "data/read_file.h"
#include "tensor/check.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;

const char* const kSkips = " (--on-bad-image skip leaves such images out)";
constexpr uint64_t kMaxListBytes = uint64_t{1} << 30;
constexpr uint32_t kMaxLabel = 65535;
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
            require(!missing || this->facts().skip_damaged, path(i), "is missing; mend the list",
                    kSkips);
            bytes_.push_back(missing ? 0 : bytes);
        }
    }

    int64_t label(int64_t index) const override { return list_.label(index); }

    // Name and size; a file that is missing has 0 bytes.
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

bool is_image(const fs::path& path) {
    std::string suffix = path.extension().string();
    for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png";
}

// The names in a folder that `wanted` takes, sorted by their bytes.
template <class Wanted>
std::vector<std::string> names_in(const std::string& folder, const Wanted& wanted) {
    std::vector<std::string> names;
    std::error_code error;
    for (auto entry = fs::directory_iterator(folder, error); !error && entry != end(entry);
         entry.increment(error)) {
        if (wanted(*entry)) names.push_back(entry->path().filename().string());
    }
    require(!error, folder, "cannot be read (", error.message(), "); check --data-path");
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> class_folders(const std::string& folder) {
    const auto is_folder = [](const fs::directory_entry& entry) {
        std::error_code ignored;
        return entry.is_directory(ignored) && entry.path().filename().string()[0] != '.';
    };
    std::vector<std::string> classes = names_in(folder, is_folder);
    require(!classes.empty(), folder, "has no folders of classes, nor is there a list next to it");
    require(classes.size() <= kMaxLabel + 1, folder, "has more than ", kMaxLabel + 1, " classes");
    return classes;
}

ImageList list_of_folders(const std::string& folder, const std::vector<std::string>& classes) {
    ImageList list;
    for (const std::string& name : class_folders(folder)) {
        const auto found = std::lower_bound(classes.begin(), classes.end(), name);
        require(found != classes.end() && *found == name, folder + "/" + name,
                "is no class of the training images");
        const auto wanted = [](const fs::directory_entry& entry) { return is_image(entry.path()); };
        const std::vector<std::string> files = names_in(folder + "/" + name, wanted);
        require(!files.empty(), folder + "/" + name,
                "has no images (.jpg, .jpeg, .png); fill or remove this class");
        for (const std::string& file : files) list.add(name + "/" + file, found - classes.begin());
    }
    return list;
}

// The list of a split; empty if there is none.
std::string find_list(const std::string& folder, const std::string& split) {
    for (const char* place : {"/", "/meta/"}) {
        const std::string path = folder + place + split + ".txt";
        std::error_code ignored;
        if (fs::exists(path, ignored)) return path;
    }
    return "";
}

ImageList read_list(const std::string& path) {
    return parse_image_list(path, read_file("imagefolder", path, kMaxListBytes));
}

int64_t highest_label(const ImageList& list) {
    int64_t highest = -1;
    for (int64_t i = 0; i < list.size(); ++i) highest = std::max(highest, list.label(i));
    return highest;
}

}  // namespace

void ImageList::add(std::string_view path, int64_t label) {
    check_kind(paths_.size() + path.size() < UINT32_MAX, ErrorKind::data,
               "imagefolder: more names than 4 GiB; split the data set");
    entries_.push_back({static_cast<uint32_t>(paths_.size()), static_cast<uint32_t>(label)});
    paths_ += path;
    paths_ += '\0';
}

void ImageList::reserve(int64_t images, int64_t characters) {
    entries_.reserve(images);
    paths_.reserve(characters);
}

ImageList parse_image_list(const std::string& path, std::span<const uint8_t> bytes) {
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    ImageList list;
    // The shortest line has four characters, so 8 bytes an entry are at most twice the text.
    list.reserve(std::min<int64_t>(std::count(text.begin(), text.end(), '\n') + 1,
                                   static_cast<int64_t>(text.size() + 1) / 4),
                 static_cast<int64_t>(text.size()));
    int64_t number = 0;
    for (size_t begin = 0; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view line = text.substr(begin, end - begin);
        begin = end + 1;
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.empty()) continue;
        const size_t blank = line.find_last_of(" \t");
        const std::string_view digits = line.substr(std::min(blank, line.size() - 1) + 1);
        const std::string_view name = line.substr(0, std::min(blank, line.size()));
        const bool numeric = blank != line.npos && !digits.empty() && digits.size() <= 5 &&
                             digits.find_first_not_of("0123456789") == digits.npos;
        const uint32_t label = numeric ? std::stoul(std::string(digits)) : kMaxLabel + 1;
        require(label <= kMaxLabel, path, "line ", number + 1,
                ": expected a path, a blank and a label from 0 to ", kMaxLabel);
        const bool goes_up = name == ".." || name.starts_with("../") || name.ends_with("/..") ||
                             name.find("/../") != name.npos;
        require(!name.empty() && name[0] != '/' && name.find('\0') == name.npos && !goes_up, path,
                "line ", number + 1, ": the path must be relative and must not go up");
        list.add(name, label);
    }
    return list;
}

ImageFolders open_image_folders(const std::string& folder, const DatasetFacts& common,
                                const Preprocessing& preprocessing) {
    const std::string train_list = find_list(folder, "train"), test_list = find_list(folder, "val");
    require(train_list.empty() || !test_list.empty(), train_list,
            "says nothing of the test images; add val.txt");
    DatasetFacts facts = common;
    facts.photographs = true;
    facts.may_flip = true;
    facts.image_shape = {preprocessing.image_size, preprocessing.image_size, 3};
    if (train_list.empty()) facts.classes = class_folders(folder + "/train");
    ImageList train = train_list.empty() ? list_of_folders(folder + "/train", facts.classes)
                                         : read_list(train_list);
    ImageList test =
        test_list.empty() ? list_of_folders(folder + "/val", facts.classes) : read_list(test_list);
    const int64_t numbers = train_list.empty() ? 0 : highest_label(train) + 1;
    for (int64_t n = 0; n < numbers; ++n) {
        facts.classes.push_back(std::to_string(n));
    }
    require(train.size() > 0, train_list.empty() ? folder + "/train" : train_list, "has no images");
    const auto classes = static_cast<int64_t>(facts.classes.size());
    require(highest_label(test) < classes, test_list, "label ", highest_label(test),
            " is out of range; the training images have ", classes, " classes");
    const auto open = [&](const char* split, ImageList list) {
        require(list.size() > 0, folder + "/" + split, "has no images (.jpg, .jpeg, .png)");
        facts.size = list.size();
        return std::make_shared<ImageFolder>(facts, folder + "/" + split, std::move(list),
                                             preprocessing);
    };
    return {open("train", std::move(train)), open("val", std::move(test))};
}

}  // namespace gradus
