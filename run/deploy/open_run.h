// open_run -- rebuilds the network of a run folder as it was in memory when the run ended.
#pragma once

#include <string>

#include "data/open_dataset.h"
#include "quant/prepare.h"
#include "run/train/options.h"

namespace gradus {

struct OpenedRun {
    Options options;  // with the requested hardware
    DataSplits data;
    Graph network;  // the float network, sharing the model's weights
    QuantizedModel model;
    std::string stem;  // the stem that "auto" resolved to
};

// Reads config.toml, run.json and model.safetensors of `folder`. `hardware` and `data_path` replace
// the run's unless empty. Error(data): no finished run there, config.toml contradicts run.json, or
// the test images differ from the run's; Error(usage): nothing to deploy, or hardware that reads
// the run's weights differently.
OpenedRun open_run(const std::string& folder, const std::string& hardware,
                   const std::string& data_path);

// The run's network as ./train quantized it, on its own hardware, with the weights of
// model.safetensors. `network`: the run's float network.
QuantizedModel trained_model(const std::string& folder, const Graph& network);

// The float network of a run with --algo none; no model. Errors as above; Error(usage) also if the
// run quantizes.
OpenedRun open_float_run(const std::string& folder, const std::string& data_path);

// Explains why a network trained for one row with the options of `run` cannot be lowered for the
// other; "" if it can.
std::string row_difference(const Options& run, const Hardware& trained, const Hardware& other);

}  // namespace gradus
