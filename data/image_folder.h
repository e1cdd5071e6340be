// image_folder -- photographs below a folder, as ImageNet is kept: a folder for each class, or one
// folder and a list.
//
// DIR/train/<class>/* and DIR/val/<class>/*: classes are the sorted names of the folders in train,
// images the files that end with .jpg, .jpeg or .png in any case. Where DIR/train.txt or
// DIR/meta/train.txt is, its lines "path label" count instead; the paths are below DIR/train. The
// same with val. Nothing is decoded before it is asked for.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/resize.h"

namespace gradus {

// The steps between file and network.
struct Preprocessing {
    int64_t image_size = 224;  // height and width that the network sees
    Interpolation interpolation = Interpolation::bilinear;
    double crop_pct = 0.875;  // evaluation: the shorter side becomes floor(image_size / crop_pct),
                              // the central square of image_size is cut out
};

// Files and labels. Paths lie in one text: millions of them cost little.
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

// The lines "path label" of a list; the label is after the last blank, from 0 to 65,535. Paths are
// relative and never go up. Takes at most three times the memory of `bytes`. `path` is for
// messages, which are one line of ErrorKind::data with the line's number.
ImageList parse_image_list(const std::string& path, std::span<const uint8_t> bytes);

struct ImageFolders {
    DatasetPtr train, test;
};
// `facts` gives name, normalisation and what to do with damaged images. Errors: data.
ImageFolders open_image_folders(const std::string& folder, const DatasetFacts& facts,
                                const Preprocessing& preprocessing);

}  // namespace gradus
