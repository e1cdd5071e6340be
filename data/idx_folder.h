// idx_folder -- the four IDX files of MNIST, Fashion-MNIST or another successor, in one folder.
//
// All of them have the same names, so which set it is, is told by the SHA-256 of the unpacked
// files.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

struct IdxFolder {
    DatasetPtr train, test;
    std::vector<std::string> notes;  // what is assumed or left out
};

// `asked` is fashion-mnist, mnist, or auto: then files of no known set are taken for Fashion-MNIST,
// and a note says so. Errors: data, also for files that are known to be another set than `asked`.
IdxFolder open_idx_folder(const std::string& folder, const std::string& asked);

}  // namespace gradus
