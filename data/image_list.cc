#include "data/image_list.h"

#include <algorithm>

#include "tensor/check.h"

namespace gradus {

namespace {

template <class... Parts>
void require(bool ok, const std::string& path, const Parts&... parts) {
    check_kind(ok, ErrorKind::data, "imagefolder: ", path, ": ", parts...);
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
        const uint32_t label = numeric ? std::stoul(std::string(digits)) : kMaxImageLabel + 1;
        require(label <= kMaxImageLabel, path, "line ", number + 1,
                ": expected a path, a blank and a label from 0 to ", kMaxImageLabel);
        const bool goes_up = name == ".." || name.starts_with("../") || name.ends_with("/..") ||
                             name.find("/../") != name.npos;
        require(!name.empty() && name[0] != '/' && name.find('\0') == name.npos && !goes_up, path,
                "line ", number + 1, ": the path must be relative and must not go up");
        list.add(name, label);
    }
    return list;
}

}  // namespace gradus
