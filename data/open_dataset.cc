#include "data/open_dataset.h"

#include <algorithm>

#include "data/idx.h"
#include "data/resize.h"
#include "data/synthetic.h"
#include "tensor/check.h"

namespace gradus {

namespace {

DatasetFacts fashion_mnist() {
    DatasetFacts facts;
    facts.name = "fashion-mnist";
    facts.classes = {"t-shirt", "trouser", "pullover", "dress", "coat",
                     "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};
    facts.mean = {0.2860f};
    facts.deviation = {0.3530f};
    facts.may_flip = true;
    return facts;
}

DatasetFacts mnist() {
    DatasetFacts facts;
    facts.name = "mnist";
    facts.classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    facts.mean = {0.1307f};
    facts.deviation = {0.3081f};
    return facts;
}

DatasetPtr open_split(const DatasetFacts& facts, const std::string& folder, const char* split) {
    const std::string images = join(split, "-images-idx3-ubyte");
    const std::string labels = join(split, "-labels-idx1-ubyte");
    const std::string images_path = find_idx(folder, images);
    const std::string labels_path = find_idx(folder, labels);
    for (const auto& [path, name] :
         {std::pair(images_path, images), std::pair(labels_path, labels)}) {
        check_kind(!path.empty(), ErrorKind::data, facts.name, ": no ", name, " or ", name,
                   ".gz in ", folder,
                   "; install dataset-fashion-mnist, give the folder by --data-path, or use "
                   "--dataset synthetic");
    }
    return open_idx(facts, images_path, labels_path);
}

DataSplits open_idx_folder(const DatasetFacts& facts, const std::string& folder) {
    DataSplits splits;
    splits.train = open_split(facts, folder, "train");
    splits.test = open_split(facts, folder, "t10k");
    check_kind(splits.train->image_shape() == splits.test->image_shape(), ErrorKind::data,
               facts.name, ": training images are ", splits.train->image_shape(),
               ", test images are ", splits.test->image_shape(), " in ", folder,
               "; the files do not belong together");
    splits.announcement = join("in ", folder);
    return splits;
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

DataSplits open_named(const DatasetOptions& options) {
    const std::string& folder = options.path.empty() ? options.system_path : options.path;
    if (options.name == "fashion-mnist") return open_idx_folder(fashion_mnist(), folder);
    if (options.name == "synthetic") return open_synthetic(options, "drawn by this program");
    if (options.name == "auto") {
        const bool found = !options.path.empty() || has_fashion_mnist(folder);
        if (found) return open_idx_folder(fashion_mnist(), folder);
        return open_synthetic(
            options, join("drawn by this program, as there is no Fashion-MNIST in ", folder,
                          "; scripts/setup.sh installs it"));
    }
    check_kind(!options.path.empty(), ErrorKind::data,
               "mnist: its files are not part of the system; give their folder by --data-path");
    return open_idx_folder(mnist(), options.path);
}

}  // namespace

const std::vector<std::string>& dataset_names() {
    static const std::vector<std::string> names = {"auto", "fashion-mnist", "mnist", "synthetic"};
    return names;
}

DataSplits open_dataset(const DatasetOptions& options) {
    const std::vector<std::string>& names = dataset_names();
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    check_kind(std::find(names.begin(), names.end(), options.name) != names.end(), ErrorKind::usage,
               "unknown data set ", options.name, "; there are ", list);
    DataSplits splits = open_named(options);
    if (options.image_size != 0) {
        splits.train = resize_images(splits.train, options.image_size);
        splits.test = resize_images(splits.test, options.image_size);
    }
    const DatasetFacts& facts = splits.train->facts();
    splits.announcement =
        join("data: ", facts.name, ", ", splits.train->size(), " training and ",
             splits.test->size(), " test images of ", facts.image_shape[0], " x ",
             facts.image_shape[1], " x ", facts.image_shape[2], ", ", splits.announcement);
    return splits;
}

}  // namespace gradus
