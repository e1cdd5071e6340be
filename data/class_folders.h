// class_folders -- lists the images of a folder with a folder for each class, and what is left out.
//
// Images are the files that end with .jpg, .jpeg or .png in any case; links are followed. Left out
// are other files, hidden ones, folders within a class, and files outside of every class.
#pragma once

#include <string>
#include <vector>

#include "data/image_list.h"

namespace gradus {

struct ClassFolders {
    std::vector<std::string> classes;  // names of the folders, sorted by their bytes
    ImageList images;                  // "<class>/<file>", sorted; labels are places in `classes`
    std::string left_out;              // "1 .jfif, 1 folder with 8 images"; empty if nothing is
};

// Every class must have an image. Errors: data.
ClassFolders read_class_folders(const std::string& folder);
// The same with the classes of the training images; some may have no folder here.
ClassFolders read_class_folders(const std::string& folder, const std::vector<std::string>& classes);

}  // namespace gradus
