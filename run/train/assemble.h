// assemble -- builds the parts of a run from the options of ./train.
#pragma once

#include <optional>

#include "data/loader.h"
#include "data/open_dataset.h"
#include "models/models.h"
#include "nn/optimizer.h"
#include "quant/prepare.h"
#include "run/train/options.h"

namespace gradus {

// Error(usage) for an unknown model, algorithm or hardware, with the nearest name, and for
// unsupported combinations.
void check_names(const Options& options);

DataSplits open_data(const Options& options);
LoaderOptions training_loader(const Options& options, const Dataset& data);
LoaderOptions evaluation_loader();
// The images that set the first scales: --calibration-images of them from a shuffled training set,
// without augmentation, in batches [N, H, W, C]. Every call starts from the first batch.
BatchSource calibration_batches(const Options& options, const DatasetPtr& train);
int64_t calibration_image_count(const Options& options, const Dataset& train);

ModelOptions model_options(const Options& options, const Dataset& data);
Recipe recipe_of(const Options& options);
// "lsq", or "dorefa weights, pact activations".
std::string algorithms_text(const Options& options);
// The learned parameters of all quantizers, with the rates and decay that the options give them.
std::vector<std::shared_ptr<Parameter>> learned_parameters(const QuantizedModel& model);
void set_quantizer_rates(const Options& options, QuantizedModel& model);
// Sets the L2 penalty of batch norm's gamma and beta, in this network and every graph that shares
// them.
void set_norm_decay(const Graph& network, float decay);
OptimizerOptions optimizer_options(const Options& options);

// The network that --image-size, --num-classes and --channels describe without data; empty unless
// all three are given.
std::optional<ModelOptions> described_model(const Options& options);

// The float network with its initial weights.
Graph build_network(const Options& options, const ModelOptions& model);
Graph build_network(const Options& options, const Dataset& data);
// The network before training. Refuses unsuitable weights at once; a resumed run reads them only if
// it needs them.
Graph starting_network(const Options& options, const Dataset& data);

}  // namespace gradus
