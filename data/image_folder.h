// image_folder -- photographs in ImageNet's layout: a folder for each class, or one folder and a
// list.
//
// DIR/train/<class>/* and DIR/val/<class>/*: classes are the sorted names of the folders in train,
// images the files that end with .jpg, .jpeg or .png in any case (class_folders.h). If
// DIR/train.txt or DIR/meta/train.txt exists, its lines "path label" are used instead; the paths
// are below DIR/train. The same for val. Images are decoded only on request.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/image_list.h"
#include "data/resize.h"

namespace gradus {

// The steps between file and network.
struct Preprocessing {
    int64_t image_size = 224;  // height and width that the network sees
    Interpolation interpolation = Interpolation::bilinear;
    double crop_pct = 0.875;  // evaluation: the shorter side becomes floor(image_size / crop_pct),
                              // the central square of image_size is cut out
};

struct ImageFolders {
    DatasetPtr train, test;
    std::vector<std::string> notes;  // files left out, and the source of the labels
};
// `facts` gives name, normalisation and the treatment of damaged images. Errors: data.
ImageFolders open_image_folders(const std::string& folder, const DatasetFacts& facts,
                                const Preprocessing& preprocessing);

}  // namespace gradus
