#include "data/class_folders.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "tensor/check.h"

namespace gradus {

namespace {

namespace fs = std::filesystem;

constexpr size_t kNamedSuffixes = 6;

template <class... Parts>
void require(bool ok, const std::string& path, const Parts&... parts) {
    check_kind(ok, ErrorKind::data, "imagefolder: ", path, ": ", parts...);
}

std::string lower_suffix(const fs::path& path) {
    std::string suffix = path.extension().string();
    for (char& c : suffix) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return suffix;
}

bool has_image_suffix(const fs::path& path) {
    const std::string suffix = lower_suffix(path);
    return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png";
}

bool is_hidden(const fs::path& path) {
    return path.filename().string()[0] == '.';
}

std::string counted(int64_t count, const char* one, const char* several) {
    return join(count, ' ', count == 1 ? one : several);
}

class LeftOut {
  public:
    // Adds an entry of a class folder that is not an image.
    void add(const fs::directory_entry& entry) {
        std::error_code ignored;
        if (entry.is_directory(ignored)) {
            ++folders_;
            images_in_folders_ += images_below(entry.path());
        } else if (is_hidden(entry.path())) {
            ++hidden_;
        } else {
            ++suffixes_[lower_suffix(entry.path())];
        }
    }
    void add_hidden() { ++hidden_; }
    void add_outside() { ++outside_; }

    std::string text() const {
        std::vector<std::string> parts = suffix_parts();
        if (folders_ > 0) {
            parts.push_back(counted(folders_, "folder with ", "folders with ") +
                            counted(images_in_folders_, "image", "images"));
        }
        if (hidden_ > 0) parts.push_back(counted(hidden_, "hidden name", "hidden names"));
        if (outside_ > 0) {
            parts.push_back(counted(outside_, "file in no class", "files in no class"));
        }
        std::string all;
        for (const std::string& part : parts) all += (all.empty() ? "" : ", ") + part;
        return all;
    }

  private:
    static int64_t images_below(const fs::path& folder) {
        int64_t images = 0;
        std::error_code error;
        const auto options = fs::directory_options::skip_permission_denied;
        for (auto entry = fs::recursive_directory_iterator(folder, options, error);
             !error && entry != end(entry); entry.increment(error)) {
            std::error_code ignored;
            images += has_image_suffix(entry->path()) && entry->is_regular_file(ignored);
        }
        return images;
    }

    std::vector<std::string> suffix_parts() const {
        std::vector<std::string> parts;
        int64_t others = 0;
        for (const auto& [suffix, count] : suffixes_) {
            if (parts.size() == kNamedSuffixes) others += count;
            if (parts.size() == kNamedSuffixes) continue;
            parts.push_back(join(count, suffix.empty() ? " without suffix" : " " + suffix));
        }
        if (others > 0) parts.push_back(join(others, " of other suffixes"));
        return parts;
    }

    std::map<std::string, int64_t> suffixes_;
    int64_t folders_ = 0, images_in_folders_ = 0;
    int64_t hidden_ = 0;
    int64_t outside_ = 0;
};

// The names in a folder for which `wanted` is true, sorted by their bytes.
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

std::vector<std::string> class_names(const std::string& folder, LeftOut& left_out) {
    const auto is_class = [&](const fs::directory_entry& entry) {
        std::error_code ignored;
        const bool is_folder = entry.is_directory(ignored);
        if (is_hidden(entry.path())) {
            left_out.add_hidden();
        } else if (!is_folder) {
            left_out.add_outside();
        }
        return is_folder && !is_hidden(entry.path());
    };
    std::vector<std::string> classes = names_in(folder, is_class);
    require(!classes.empty(), folder, "has no folders of classes, nor is there a list next to it");
    require(classes.size() <= kMaxImageLabel + 1, folder, "has more than ", kMaxImageLabel + 1,
            " classes");
    return classes;
}

// A dangling link counts as an image: it is reported as missing.
bool is_image(const fs::directory_entry& entry) {
    std::error_code ignored;
    const fs::file_type type = entry.status(ignored).type();
    return has_image_suffix(entry.path()) && !is_hidden(entry.path()) &&
           (type == fs::file_type::regular || type == fs::file_type::not_found);
}

void add_class(const std::string& folder, const std::string& name, int64_t label,
               ClassFolders& found, LeftOut& all_left_out) {
    LeftOut left_out;
    const auto wanted = [&](const fs::directory_entry& entry) {
        const bool image = is_image(entry);
        if (!image) left_out.add(entry), all_left_out.add(entry);
        return image;
    };
    const std::vector<std::string> files = names_in(folder + "/" + name, wanted);
    const std::string others = left_out.text();
    require(!files.empty(), folder + "/" + name, "has no images (.jpg, .jpeg, .png)",
            others.empty() ? "" : ", only " + others, "; fill or remove this class");
    for (const std::string& file : files) found.images.add(name + "/" + file, label);
}

}  // namespace

ClassFolders read_class_folders(const std::string& folder) {
    LeftOut ignored;
    return read_class_folders(folder, class_names(folder, ignored));
}

ClassFolders read_class_folders(const std::string& folder,
                                const std::vector<std::string>& classes) {
    ClassFolders found;
    found.classes = classes;
    LeftOut left_out;
    for (const std::string& name : class_names(folder, left_out)) {
        const auto place = std::lower_bound(classes.begin(), classes.end(), name);
        require(place != classes.end() && *place == name, folder + "/" + name,
                "is no class of the training images");
        add_class(folder, name, place - classes.begin(), found, left_out);
    }
    found.left_out = left_out.text();
    return found;
}

}  // namespace gradus
