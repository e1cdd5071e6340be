#include "run/train/assemble.h"

#include <algorithm>
#include <optional>

#include "models/models.h"
#include "quant/ptq/subgraph.h"
#include "run/signals.h"
#include "run/suggest.h"
#include "run/train/checkpoint.h"
#include "run/train/load_network.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t kEvaluationBatch = 250;
constexpr int64_t kCalibrationBatch = 128;

template <class Rows>
std::vector<std::string> names_of(const Rows& rows) {
    std::vector<std::string> names;
    for (const auto& row : rows) names.emplace_back(row.name);
    return names;
}

void check_hardware(const Options& o) {
    check_name("hardware", o.hardware, names_of(hardware_table()));
    resolve_bn_fold(o, find_hardware(o.hardware));
    check_accumulator(find_hardware(o.hardware), find_accumulator(o.accumulator));
    check_kind(o.device != "cuda", ErrorKind::usage,
               "--device cuda: training runs on the CPU in this version; use --device cpu");
}

}  // namespace

void check_names(const Options& o) {
    check_name("model", o.model, names_of(models()));
    check_name("data set", o.dataset, names_of(datasets()));
    auto algos = names_of(algorithms());
    algos.push_back("none");
    check_name("algorithm", o.algo, algos);
    if (o.algo == "none") {
        check_kind(o.weight_algo == "none" && o.activation_algo == "none", ErrorKind::usage,
                   "--algo none quantizes nothing; drop --weight-algo and --activation-algo or "
                   "choose an algorithm");
        return check_hardware(o);
    }
    algos.pop_back();
    check_name("algorithm", o.weight_algo, algos);
    check_name("algorithm", o.activation_algo, algos);
    check_hardware(o);
}

namespace {

void check_jitter(const Options& o, const DatasetFacts& data) {
    const bool jitters = o.brightness > 0 || o.contrast > 0 || o.saturation > 0 || o.hue > 0;
    check_kind(!jitters || data.image_shape[2] == 3, ErrorKind::usage,
               "--brightness, --contrast, --saturation and --hue change RGB images, those of ",
               data.name, " are grey; drop them");
}

}  // namespace

DataSplits open_data(const Options& o) {
    // The settings that the EfficientNet-Lite models were trained with.
    const bool lite = o.model.starts_with("efficientnet_lite");
    DatasetOptions options;
    options.name = o.dataset;
    options.path = o.data_path;
    options.image_size = o.image_size;
    const bool bicubic = o.interpolation == "bicubic" || (o.interpolation == "auto" && lite);
    options.interpolation = bicubic ? Interpolation::bicubic : Interpolation::bilinear;
    options.crop_pct = o.crop_pct;
    options.normalize = o.normalize;
    if (o.normalize == "auto" && lite && o.dataset == "imagefolder") options.normalize = "tf";
    options.skip_damaged = o.on_bad_image == "skip";
    DataSplits data = open_dataset(options);
    check_jitter(o, data.train->facts());
    return data;
}

LoaderOptions training_loader(const Options& o, const Dataset& data) {
    LoaderOptions options;
    options.batch_size = std::min<int64_t>(o.batch_size, data.size());
    options.shuffle = true;
    options.drop_last = true;
    options.least = 2;  // batch norm needs two values, and a layer may have one pixel
    options.augmentation.crop_padding = o.crop_padding;
    options.augmentation.flip = o.flip && data.facts().may_flip;
    options.augmentation.resized_crop = data.facts().photographs;
    options.augmentation.jitter = {static_cast<float>(o.brightness), static_cast<float>(o.contrast),
                                   static_cast<float>(o.saturation), static_cast<float>(o.hue)};
    return options;
}

LoaderOptions evaluation_loader() {
    LoaderOptions options;
    options.batch_size = kEvaluationBatch;
    return options;
}

BatchSource calibration_batches(const Options& o, const DatasetPtr& train) {
    LoaderOptions options;
    options.batch_size = kCalibrationBatch;
    options.shuffle = true;
    const auto loader = std::make_shared<Loader>(train, options, Rng(o.seed).split("calibration"));
    loader->start(0);
    return [loader, left = calibration_image_count(o, *train)]() mutable {
        check_kind(!interrupted(), ErrorKind::interrupted, "interrupted during calibration");
        const auto batch = left > 0 ? loader->next() : std::nullopt;
        if (!batch) return Tensor();
        const int64_t count = std::min(left, batch->images.shape()[0]);
        left -= count;
        return samples(batch->images, 0, count);
    };
}

int64_t calibration_image_count(const Options& o, const Dataset& train) {
    return std::min<int64_t>(o.calibration_images, train.size());
}

namespace {

// The probability of --dropout; empty if the model's own applies.
std::optional<double> dropout_of(const Options& o) {
    return o.dropout < 0 ? std::nullopt : std::optional(o.dropout);
}

}  // namespace

ModelOptions model_options(const Options& o, const Dataset& data) {
    const int64_t classes = o.num_classes > 0 ? o.num_classes : data.class_count();
    check_kind(classes >= data.class_count(), ErrorKind::usage, "--num-classes ", classes,
               ": the data set ", data.facts().name, " has ", data.class_count());
    const int64_t channels = data.image_shape()[2];
    check_kind(o.channels == 0 || o.channels == channels, ErrorKind::usage, "--channels ",
               o.channels, ": the images of ", data.facts().name, " have ", channels,
               "; drop it, or give other images by --dataset and --data-path");
    return {data.image_shape(), classes, o.stem, o.width_mult, dropout_of(o)};
}

std::optional<ModelOptions> described_model(const Options& o) {
    if (o.image_size == 0 || o.num_classes == 0 || o.channels == 0) return std::nullopt;
    check_kind(o.image_size >= 8, ErrorKind::usage, "--image-size ", o.image_size,
               " is out of range; choose 8 to 1024");
    return ModelOptions{{o.image_size, o.image_size, o.channels},
                        o.num_classes,
                        o.stem,
                        o.width_mult,
                        dropout_of(o)};
}

Recipe recipe_of(const Options& o) {
    Recipe recipe;
    recipe.algorithm = o.algo;
    recipe.weight_algorithm = o.weight_algo;
    recipe.activation_algorithm = o.activation_algo;
    recipe.hardware = o.hardware;
    recipe.bn_fold = resolve_bn_fold(o, find_hardware(o.hardware));
    recipe.accumulator = find_accumulator(o.accumulator);
    recipe.simulate = o.simulate == "qdq" ? Simulate::qdq : Simulate::exact;
    recipe.weight_bits = o.weight_bits;
    recipe.activation_bits = o.activation_bits;
    recipe.weight_calibration = calibration_of(o.weight_calibration);
    recipe.activation_calibration = calibration_of(o.activation_calibration);
    recipe.reading = o.reading == "code" ? Reading::code : Reading::paper;
    const bool ste = o.dsq_form == "ste" || (o.dsq_form == "auto" && o.reading == "code");
    recipe.dsq_form = ste ? DsqForm::ste : DsqForm::soft;
    return recipe;
}

std::string algorithms_text(const Options& o) {
    const std::string weights = find_algorithm(o.weight_algo, Role::weight).name;
    if (weights == o.activation_algo) return weights;
    return join(weights, " weights, ", o.activation_algo, " activations");
}

std::vector<std::shared_ptr<Parameter>> learned_parameters(const QuantizedModel& model) {
    std::vector<std::shared_ptr<Parameter>> learned;
    for (const auto& quantizer : model.quantizers) {
        for (const auto& parameter : quantizer->parameters) {
            if (parameter->trainable) learned.push_back(parameter);
        }
    }
    return learned;
}

void set_quantizer_rates(const Options& o, QuantizedModel& model) {
    for (const auto& parameter : learned_parameters(model)) {
        parameter->lr_multiplier = static_cast<float>(o.quantizer_lr_multiplier);
        if (o.quantizer_weight_decay >= 0) {
            parameter->weight_decay = static_cast<float>(o.quantizer_weight_decay);
        }
    }
}

void set_norm_decay(const Graph& network, float decay) {
    for (const Node& node : network.nodes()) {
        if (node.op != "batch_norm") continue;
        for (const int position : {1, 2}) {  // gamma, beta
            network.node(node.inputs.at(position)).parameter->weight_decay = decay;
        }
    }
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
    return build_network(o, model_options(o, data));
}

Graph build_network(const Options& o, const ModelOptions& model) {
    Graph network = build_model(o.model, model, Rng(o.seed).split("init"));
    if (o.norm_weight_decay >= 0) set_norm_decay(network, static_cast<float>(o.norm_weight_decay));
    return network;
}

Graph starting_network(const Options& o, const Dataset& data) {
    Graph network = build_network(o, data);
    if (!o.weights.empty() && o.resume.empty()) load_network(o.weights, network.parameters());
    return network;
}

}  // namespace gradus
