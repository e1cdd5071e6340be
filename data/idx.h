// idx -- images and labels in the IDX format of MNIST and its successors, plain or gzip.
//
// Big endian: two zero bytes, the type of the elements (8: unsigned bytes, which are read; 9 to 14
// others, which are refused by name), the number of axes; u32 per extent; the elements.
// Errors are one line of ErrorKind::data that name the file, the reason and a remedy.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

// A tensor of bytes in an IDX file: [N] labels or [N, H, W] images.
struct IdxArray {
    std::string path;
    std::string sha256;  // of the file, unpacked
    std::vector<int64_t> extents;
    std::vector<uint8_t> values;
};

// The file must have this rank, extents of at least 1, at most 1 GiB in all, and no trailing bytes.
IdxArray read_idx(const std::string& path, int rank);

// Pairs images with labels. `facts` gives name, classes, normalisation; size and shape are read.
DatasetPtr pair_idx(DatasetFacts facts, IdxArray images, IdxArray labels);
DatasetPtr open_idx(const DatasetFacts& facts, const std::string& images_path,
                    const std::string& labels_path);

// The paths in a folder of one of the four files, e.g. "train-images-idx3-ubyte", with a hyphen or
// a dot before "idx", with or without ".gz"; empty if there are none. Read the first.
std::vector<std::string> find_idx(const std::string& folder, const std::string& name);

}  // namespace gradus
