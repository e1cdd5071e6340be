#include "data/open_dataset.h"

#include "data/cifar.h"
#include "data/idx.h"
#include "data/idx_folder.h"
#include "data/image_folder.h"
#include "data/label_notes.h"
#include "data/resize.h"
#include "data/synthetic.h"
#include "tensor/check.h"
#include "tensor/find_row.h"

namespace gradus {

namespace {

DataSplits open_idx_files(const std::string& folder, const std::string& asked) {
    IdxFolder files = open_idx_folder(folder, asked);
    return {files.train, files.test, join("in ", folder), std::move(files.notes)};
}

DataSplits open_synthetic(const DatasetOptions& options, const std::string& why) {
    SyntheticOptions synthetic;
    if (options.image_size != 0) synthetic.image_size = options.image_size;
    DataSplits splits;
    splits.train = make_synthetic(synthetic);
    synthetic.train = false;
    synthetic.size = 2000;
    splits.test = make_synthetic(synthetic);
    splits.announcement = why;
    return splits;
}

bool has_fashion_mnist(const std::string& folder) {
    return !find_idx(folder, "train-images-idx3-ubyte").empty();
}

const std::string& folder_or_system(const DatasetOptions& options) {
    return options.path.empty() ? options.system_path : options.path;
}

DataSplits open_auto(const DatasetOptions& options) {
    const std::string& folder = folder_or_system(options);
    const bool found = !options.path.empty() || has_fashion_mnist(folder);
    if (found) return open_idx_files(folder, "auto");
    return open_synthetic(options, join("drawn by this program, as there is no Fashion-MNIST in ",
                                        folder, "; scripts/setup.sh installs it"));
}

DataSplits open_fashion_mnist(const DatasetOptions& options) {
    return open_idx_files(folder_or_system(options), "fashion-mnist");
}

DataSplits open_mnist(const DatasetOptions& options) {
    check_kind(!options.path.empty(), ErrorKind::data,
               "mnist: its files are not part of the system; give their folder by --data-path");
    return open_idx_files(options.path, "mnist");
}

DataSplits open_cifar_folder(const Cifar& cifar, const std::string& folder) {
    check_kind(!folder.empty(), ErrorKind::data, cifar.name, ": its files are not part of the ",
               "system; give the folder of the unpacked binary version by --data-path");
    return {open_cifar(cifar, folder, true), open_cifar(cifar, folder, false), "in " + folder,
            cifar_notes(cifar, folder)};
}

DataSplits open_cifar10(const DatasetOptions& options) {
    return open_cifar_folder(cifar10(), options.path);
}

DataSplits open_cifar100(const DatasetOptions& options) {
    return open_cifar_folder(cifar100(), options.path);
}

void normalise(const Normalisation& row, int64_t channels, DatasetFacts& facts) {
    const auto per_channel = [&](std::vector<float> values) {
        if (values.size() == 1) values.resize(channels, values[0]);
        check_kind(static_cast<int64_t>(values.size()) == channels, ErrorKind::usage,
                   "--normalize ", row.name, " is for RGB images; those of ", facts.name, " have ",
                   channels, " channels");
        return values;
    };
    facts.mean = per_channel(row.mean);
    facts.deviation = per_channel(row.deviation);
}

DataSplits open_image_folder(const DatasetOptions& options) {
    check_kind(!options.path.empty(), ErrorKind::data, "imagefolder: no folder; give the one that ",
               "has train/ and val/ by --data-path");
    Preprocessing preprocessing;
    if (options.image_size != 0) preprocessing.image_size = options.image_size;
    preprocessing.interpolation = options.interpolation;
    preprocessing.crop_pct = options.crop_pct;
    DatasetFacts facts;
    facts.name = "imagefolder";
    facts.skip_damaged = options.skip_damaged;
    const bool usual = options.normalize == "auto";
    normalise(find_row(normalisations(), "normalisation", usual ? "imagenet" : options.normalize),
              3, facts);
    ImageFolders folders = open_image_folders(options.path, facts, preprocessing);
    folders.notes.push_back("data_sha256 is of names, sizes and labels, not of pixels");
    return {folders.train, folders.test, join("in ", options.path), std::move(folders.notes)};
}

DataSplits open_drawn(const DatasetOptions& options) {
    return open_synthetic(options, "drawn by this program");
}

}  // namespace

const std::vector<DatasetRow>& datasets() {
    static const std::vector<DatasetRow> rows{
        {"auto", "files in --data-path, else the system's Fashion-MNIST, else synthetic",
         open_auto},
        {"fashion-mnist", "10 classes, 28 x 28 grey (Xiao et al., 2017); IDX files",
         open_fashion_mnist},
        {"mnist", "10 digits, 28 x 28 grey (LeCun et al., 1998); IDX files", open_mnist},
        {"cifar10", "10 classes, 32 x 32 RGB (Krizhevsky, 2009); binary version", open_cifar10},
        {"cifar100", "100 classes, likewise", open_cifar100},
        {"imagefolder",
         "photographs (JPEG, PNG) in train/ and val/, a folder for each class, or lists",
         open_image_folder},
        {"synthetic", "10 shapes, 28 x 28 grey, drawn by this program", open_drawn},
    };
    return rows;
}

const std::vector<Normalisation>& normalisations() {
    static const std::vector<Normalisation> rows{
        {"imagenet",
         "ImageNet's mean and deviation, as torchvision's models expect",
         {0.485f, 0.456f, 0.406f},
         {0.229f, 0.224f, 0.225f}},
        {"half", "(p / 255 - 0.5) / 0.5", {0.5f}, {0.5f}},
        {"tf", "(p - 127) / 128, as EfficientNet-Lite", {127.0f / 255.0f}, {128.0f / 255.0f}},
    };
    return rows;
}

namespace {

// Applies the size and the normalisation of the options; returns the data set itself if unchanged.
DatasetPtr as_asked(const DatasetOptions& options, const DatasetPtr& dataset) {
    DatasetFacts facts = dataset->facts();
    const int64_t channels = facts.image_shape[2];
    if (options.image_size != 0) {
        check_kind(options.image_size >= 8 && options.image_size <= 1024, ErrorKind::usage,
                   "--image-size ", options.image_size, " is out of range; choose 8 to 1024");
        facts.image_shape = {options.image_size, options.image_size, channels};
    }
    if (options.normalize != "auto") {
        normalise(find_row(normalisations(), "normalisation", options.normalize), channels, facts);
    }
    const DatasetFacts& own = dataset->facts();
    const bool same = own.image_shape == facts.image_shape && own.mean == facts.mean &&
                      own.deviation == facts.deviation;
    return same ? dataset : with_facts(dataset, facts, options.interpolation);
}

}  // namespace

DataSplits open_dataset(const DatasetOptions& options) {
    DataSplits splits = find_row(datasets(), "data set", options.name).open(options);
    splits.train = as_asked(options, splits.train);
    splits.test = as_asked(options, splits.test);
    const DatasetFacts& facts = splits.train->facts();
    splits.announcement =
        join("data: ", facts.name, ", ", splits.train->size(), " training and ",
             splits.test->size(), " test images of ", facts.image_shape[0], " x ",
             facts.image_shape[1], " x ", facts.image_shape[2], " in ", facts.classes.size(),
             facts.classes.size() == 1 ? " class, " : " classes, ", splits.announcement);
    for (const std::string& note : label_notes(*splits.train, *splits.test)) {
        splits.notes.push_back(note);
    }
    for (const std::string& note : splits.notes) splits.announcement += "; " + note;
    return splits;
}

}  // namespace gradus
