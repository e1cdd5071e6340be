// image_list -- files and labels, read from text files in Caffe's format: "path label" a line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradus {

constexpr uint32_t kMaxImageLabel = 65535;

// Files and labels. Paths share one text, so that millions of them cost little.
class ImageList {
  public:
    void add(std::string_view path, int64_t label);
    void reserve(int64_t images, int64_t characters);
    int64_t size() const { return static_cast<int64_t>(entries_.size()); }
    std::string path(int64_t index) const { return paths_.c_str() + entries_.at(index).begin; }
    int64_t label(int64_t index) const { return entries_.at(index).label; }

  private:
    struct Entry {
        uint32_t begin;  // in paths_, where each ends with a zero
        uint32_t label;
    };
    std::string paths_;
    std::vector<Entry> entries_;
};

// The lines "path label" of a list; the label is what follows the last blank, from 0 to 65,535.
// Paths are relative and never go up. Takes at most three times the memory of `bytes`. `path` is
// for messages, which are one line of ErrorKind::data with the line's number.
ImageList parse_image_list(const std::string& path, std::span<const uint8_t> bytes);

}  // namespace gradus
