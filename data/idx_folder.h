// idx_folder -- the four IDX files of MNIST, Fashion-MNIST or another successor, in one folder.
//
// All of these data sets use the same file names; the SHA-256 of the unpacked files tells which one
// it is.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

struct IdxFolder {
    DatasetPtr train, test;
    std::vector<std::string> notes;  // assumptions and omissions
};

// `asked` is fashion-mnist, mnist, or auto: auto takes unknown files for Fashion-MNIST, and a note
// says so. Errors: data, also for files known to be another set than `asked`.
IdxFolder open_idx_folder(const std::string& folder, const std::string& asked);

}  // namespace gradus
