// idx -- images and labels in the IDX format of MNIST and its successors, plain or gzip.
//
// Big endian: u32 magic 0x00000803 (images) or 0x00000801 (labels), u32 per extent, u8 payload.
// Errors are one line of ErrorKind::data that name the file, the reason and a remedy.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

// A tensor of bytes as IDX has it: [N] labels or [N, H, W] images.
struct IdxArray {
    std::vector<int64_t> extents;
    std::vector<uint8_t> values;
};

// The file must have this rank, extents of at least 1, at most 1 GiB in all, and no byte more.
IdxArray read_idx(const std::string& path, int rank);
// The same from the file's bytes; `path` is for messages.
IdxArray parse_idx(const std::string& path, std::vector<uint8_t> bytes, int rank);

// Pairs images with labels. `facts` gives name, classes, normalisation; size and shape are read.
DatasetPtr open_idx(DatasetFacts facts, const std::string& images_path,
                    const std::string& labels_path);

// The path of one of the four files in a folder, e.g. "train-images-idx3-ubyte" with or without
// ".gz"; empty if there is none.
std::string find_idx(const std::string& folder, const std::string& name);

}  // namespace gradus
