// cifar -- CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in their binary version.
//
// A record is one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3072 bytes:
// 32 x 32 red, green, blue, each row by row. A file is records and nothing else. Errors are one
// line of ErrorKind::data that name the file, the reason and a remedy.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace gradus {

// The two data sets: which files, how many label bytes before an image (the last one counts).
struct Cifar {
    const char* name;
    int64_t label_bytes;
    int64_t classes;
    const char* class_names;               // file with a name a line
    std::vector<const char*> train, test;  // files of records
    int64_t records;                       // in each training file
    int64_t test_records;
    std::vector<float> mean, deviation;
};
const Cifar& cifar10();
const Cifar& cifar100();

struct CifarImages {
    std::vector<uint8_t> pixels;  // [n, 32, 32, 3]
    std::vector<uint8_t> labels;  // [n], below the number of classes
};

// Appends the records of one file, of which there must be exactly `records`. Needs at most as much
// memory again as `bytes`. `path` is for messages.
void parse_cifar(const Cifar& cifar, const std::string& path, std::span<const uint8_t> bytes,
                 int64_t records, CifarImages& images);

// The training or the test images in a folder with the archive's contents.
DatasetPtr open_cifar(const Cifar& cifar, const std::string& folder, bool train);

// Lists what is left out: coarse labels, and files of records (.bin) that the archive does not
// have.
std::vector<std::string> cifar_notes(const Cifar& cifar, const std::string& folder);

}  // namespace gradus
