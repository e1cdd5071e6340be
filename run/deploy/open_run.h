// open_run -- what ./train left in a folder, as it was in memory when the run ended.
#pragma once

#include <string>

#include "data/open_dataset.h"
#include "quant/prepare.h"
#include "run/train/options.h"

namespace gradus {

struct OpenedRun {
    Options options;  // with the hardware asked for
    DataSplits data;
    Graph network;  // the float network on the same weights as the model
    QuantizedModel model;
    std::string stem;  // the one that "auto" became
};

// Reads config.toml, run.json and model.safetensors of `folder`. `hardware` and `data_path` replace
// the run's unless empty. Error(data): no finished run there, a config.toml that says other than
// run.json, or other test images than the run had;
// Error(usage): nothing to deploy, or hardware on which the run's weights mean something else.
OpenedRun open_run(const std::string& folder, const std::string& hardware,
                   const std::string& data_path);

// The run's network as ./train quantized it, on its own hardware, with the weights of
// model.safetensors. `network`: the float one of the run.
QuantizedModel trained_model(const std::string& folder, const Graph& network);

// The float network of a run with --algo none; no model. Errors as above; Error(usage) also for a
// run that quantizes.
OpenedRun open_float_run(const std::string& folder, const std::string& data_path);

// Why a network that was trained for one row with the options of `run` cannot be lowered for the
// other; "" if it can.
std::string row_difference(const Options& run, const Hardware& trained, const Hardware& other);

}  // namespace gradus
