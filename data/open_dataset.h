// open_dataset -- opens the training and test images of a data set by name.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/resize.h"

namespace gradus {

struct DatasetOptions {
    std::string name = "auto";  // a row of datasets()
    std::string path;           // folder of the files; empty: the system's
    int64_t image_size = 0;     // height and width; 0: the data set's, photographs 224
    Interpolation interpolation = Interpolation::bilinear;  // of images that change their size
    double crop_pct = 0.875;                                // of photographs (image_folder.h)
    std::string normalize = "auto";  // a row of normalisations(), or auto: the data set's own
    bool skip_damaged = false;       // skip unreadable photographs instead of failing
    std::string system_path =
        "/usr/share/datasets/fashion-mnist";  // Debian's dataset-fashion-mnist
};

struct DataSplits {
    DatasetPtr train;
    DatasetPtr test;
    std::string
        announcement;  // one line: the data set, how many images and classes, from where and
                       // why, and the notes
    std::vector<std::string> notes;  // what the reader left out or assumed
};

struct DatasetRow {
    const char* name;
    const char* description;
    DataSplits (*open)(const DatasetOptions& options);
};
const std::vector<DatasetRow>& datasets();

// (p / 255 - mean) / standard deviation, one of each per channel, or one for all.
struct Normalisation {
    const char* name;
    const char* description;
    std::vector<float> mean, deviation;
};
const std::vector<Normalisation>& normalisations();

// auto: the files in `path`, else the system's Fashion-MNIST, else the synthetic images.
// Errors: usage for a wrong name or size; data for missing, truncated or corrupt files.
DataSplits open_dataset(const DatasetOptions& options);

}  // namespace gradus
