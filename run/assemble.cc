#include "run/assemble.h"

#include <algorithm>

#include "models/models.h"
#include "run/checkpoint.h"
#include "run/suggest.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t kEvaluationBatch = 250;

template <class Rows>
std::vector<std::string> names_of(const Rows& rows) {
    std::vector<std::string> names;
    for (const auto& row : rows) names.emplace_back(row.name);
    return names;
}

}  // namespace

void check_names(const Options& o) {
    check_name("model", o.model, names_of(models()));
    auto algos = names_of(algorithms());
    algos.push_back("none");
    check_name("algorithm", o.algo, algos);
    check_name("hardware", o.hardware, names_of(hardware_table()));
    resolve_bn_fold(o, find_hardware(o.hardware).bn_fold);
    check_kind(o.device != "cuda", ErrorKind::usage,
               "--device cuda: training runs on the CPU in this version; use --device cpu");
}

DataSplits open_data(const Options& o) {
    DatasetOptions options;
    options.name = o.dataset;
    options.path = o.data_path;
    options.image_size = o.image_size;
    return open_dataset(options);
}

LoaderOptions training_loader(const Options& o, const Dataset& data) {
    LoaderOptions options;
    options.batch_size = std::min<int64_t>(o.batch_size, data.size());
    options.shuffle = true;
    options.drop_last = true;
    options.augmentation.crop_padding = o.crop_padding;
    options.augmentation.flip = o.flip && data.facts().may_flip;
    return options;
}

LoaderOptions evaluation_loader() {
    LoaderOptions options;
    options.batch_size = kEvaluationBatch;
    return options;
}

Tensor calibration_images(const Options& o, const DatasetPtr& train) {
    LoaderOptions options;
    options.batch_size = std::min<int64_t>(o.calibration_images, train->size());
    options.shuffle = true;
    Loader loader(train, options, Rng(o.seed).split("calibration"));
    loader.start(0);
    return loader.next()->images;
}

ModelOptions model_options(const Options& o, const Dataset& data) {
    const int64_t classes = o.num_classes > 0 ? o.num_classes : data.class_count();
    check_kind(classes >= data.class_count(), ErrorKind::usage, "--num-classes ", classes,
               ": the data set ", data.facts().name, " has ", data.class_count());
    return {data.image_shape(), classes, o.stem};
}

Recipe recipe_of(const Options& o) {
    return {o.algo,        o.hardware,        o.simulate == "qdq" ? Simulate::qdq : Simulate::exact,
            o.weight_bits, o.activation_bits, 8};
}

OptimizerOptions optimizer_options(const Options& o) {
    OptimizerOptions options;
    options.kind = o.opt;
    options.momentum = static_cast<float>(o.momentum);
    options.nesterov = o.nesterov;
    options.weight_decay = static_cast<float>(o.weight_decay);
    return options;
}

Graph build_network(const Options& o, const Dataset& data) {
    return find_model(o.model).build(model_options(o, data), Rng(o.seed).split("init"));
}

Graph starting_network(const Options& o, const Dataset& data) {
    Graph network = build_network(o, data);
    if (!o.weights.empty() && o.resume.empty()) load_network(o.weights, network.parameters());
    return network;
}

}  // namespace gradus
